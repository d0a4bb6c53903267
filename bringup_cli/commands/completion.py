"""``bringup completion``: what a shell needs to complete the commands and options of bringup."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what a shell reads at its start to complete commands and options.

    \b
    bash: bringup completion bash > /etc/bash_completion.d/bringup
    zsh:  bringup completion zsh > "${fpath[1]}/_bringup"
    fish: bringup completion fish > ~/.config/fish/completions/bringup.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = context.find_root().command
    click.echo(made(root, {}, "bringup", "_BRINGUP_COMPLETE").source())
