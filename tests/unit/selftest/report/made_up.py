"""What the tests of the reports share: secrets, and text as an attacker would choose it."""

import string

from pydantic import SecretStr

# 36 different characters each.
STRONG = {
    "redis_password": SecretStr(string.ascii_lowercase + string.digits),
    "api_token": SecretStr(string.ascii_uppercase + string.digits),
}
# A new cell, a new line, HTML, a link, the end of a block of code, and control of a terminal.
HOSTILE = "x | y\n# z <script>a</script> [b](http://evil) ```\n\x1b[2J` "
