# One JSON line for one thing that happened to a lease, as DHCP_SOURCE=jsonl reads it. Sourced by the hooks beside it.
#
# It must never block or fail the DHCP server: a bounded time, no output, and always status 0.
# What a client chose is text: it reaches awk through its environment, never through a shell or a program text.

BRINGUP_LEASES=/var/lib/bringup/leases.jsonl
if [ -r /etc/default/bringup-dhcp ]; then
    . /etc/default/bringup-dhcp # may set BRINGUP_LEASES
fi

# Fields in the environment: EVENT (add, old, del, expiry), STAMP (seconds since the epoch), IP, MAC, DUID, HOST,
# VENDOR, CLIENT, CIRCUIT, LEASE_TIME (seconds). Empty ones are left out.
lease_line() {
    export EVENT STAMP IP MAC DUID HOST VENDOR CLIENT CIRCUIT LEASE_TIME
    line=$(LC_ALL=C awk '
        function quoted(text,   i, c, out) { # bytes beyond ASCII as \u00XX: the line is ASCII whatever the client sent
            out = ""
            text = substr(text, 1, 128) # the whole line stays below one write of 4 KiB
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                out = out ((c in escape) ? escape[c] : c)
            }
            return "\"" out "\""
        }
        function field(name, text) { if (text != "") data = data ", \"" name "\": " quoted(text) }
        function octets(text,   n, part, i, out) { # dhcpd writes 2:0:0:0:0:1
            n = split(text, part, ":")
            out = ""
            for (i = 1; i <= n; i++) out = out (i > 1 ? ":" : "") (length(part[i]) == 1 ? "0" : "") tolower(part[i])
            return out
        }
        BEGIN {
            for (i = 1; i < 256; i++) if (i < 32 || i > 126) escape[sprintf("%c", i)] = sprintf("\\u%04x", i)
            escape["\""] = "\\\""
            escape["\\"] = "\\\\"
            data = "\"ip\": " quoted(ENVIRON["IP"])
            field("mac", octets(ENVIRON["MAC"]))
            field("duid", ENVIRON["DUID"])
            field("hostname", ENVIRON["HOST"])
            field("vendor_class", ENVIRON["VENDOR"])
            field("client_id", ENVIRON["CLIENT"])
            field("circuit_id", ENVIRON["CIRCUIT"])
            if (ENVIRON["LEASE_TIME"] ~ /^[0-9]+$/) data = data ", \"lease_time\": " ENVIRON["LEASE_TIME"]
            stamp = ENVIRON["STAMP"] ~ /^[0-9]+$/ ? ENVIRON["STAMP"] : "null"
            printf "{\"event_type\": %s, \"timestamp\": %s, \"data\": {%s}}", quoted(ENVIRON["EVENT"]), stamp, data
        }' </dev/null 2>/dev/null)
    append "$line"
}

# One write with O_APPEND, so that lines of hooks that run at once never mix. A full disk or a file system that hangs
# costs the line and at most two seconds.
append() {
    [ -n "$1" ] || return 0
    LINE=$1 FILE=$BRINGUP_LEASES bounded sh -c 'printf "%s\n" "$LINE" >>"$FILE"' </dev/null >/dev/null 2>&1
    return 0
}

bounded() {
    if command -v timeout >/dev/null 2>&1; then timeout 2 "$@"; else "$@"; fi
}
