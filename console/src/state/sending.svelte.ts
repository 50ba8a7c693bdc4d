// Something that is being written: whether it is on its way, and what the server said against it.
import { ApiError } from '../api/client';

export class Sending {
  isBusy = $state(false);
  error = $state.raw<ApiError | null>(null);

  /** Runs `act`; its refusal by the server is kept, to be shown beside what was sent. */
  async send(act: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    this.error = null;
    try {
      await act();
    } catch (caught) {
      if (!(caught instanceof ApiError)) throw caught;
      this.error = caught;
    } finally {
      this.isBusy = false;
    }
  }
}
