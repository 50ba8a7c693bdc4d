"""Whether cleared objects are valid STIX 2.1: asked of `stix2` before anything leaves."""

from stillwatch.errors import EnvironmentFault, GuardRefused
from stillwatch.guard import Cleared


def check(cleared: Cleared) -> None:
    """Read every object strictly, with our extensions registered.

    Raises:
        GuardRefused: an object is no valid STIX; nothing leaves then.
        EnvironmentFault: the `share` extra is not installed.
    """
    try:
        import stix2
        from stix2.exceptions import STIXError

        import stillwatch.sharing.registered  # noqa: F401  # registers the classes
    except ModuleNotFoundError as error:
        raise EnvironmentFault("sharing needs stix2; pip install 'stillwatch[share]'") from error
    for number, body in enumerate(cleared.objects):
        try:
            stix2.parse(body.decode(), allow_custom=False, version="2.1")
        except (STIXError, ValueError) as error:
            raise GuardRefused(
                f"object {number} that the guard cleared is not valid STIX ({type(error).__name__}); nothing left"
            ) from error
