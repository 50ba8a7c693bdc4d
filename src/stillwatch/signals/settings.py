"""What a deployment may choose about signals."""

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`exclude` names signals to leave out, as a drop-one ablation does; unknown names are an error."""

    exclude: tuple[str, ...] = ()
