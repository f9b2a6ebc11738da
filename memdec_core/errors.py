"""The one error of the method that is the user's to mend."""


class UserError(ValueError):
    """Something in the configuration, the corpus or a model that the user can mend.

    The message says what is wrong, where, and what to do; the command shows it without a
    traceback and exits with 2.
    """
