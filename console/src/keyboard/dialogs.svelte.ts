// Which of the keyboard's own dialogs is open.
export const keyboard = $state({ palette: false, help: false });
