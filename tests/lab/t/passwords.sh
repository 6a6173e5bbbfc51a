#!/bin/bash
# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: long timeout=600
#
# A guest tries to read the passwords of its own device model, with a xenstore connection of its own: a
# PV guest with a VNC password. Under libxl alone it can; where the device model was handed over it is
# refused them, and goes on reading what it may.
. "$(dirname "$0")/lib.sh"

SECRET=geheim-4711
trap 'status=$?; xl destroy secret 2>/dev/null; (exit "$status"); cleanup_test' EXIT

# Debian 12's QEMU has no DES, so it is not asked for a password, and what it would answer to
# "change-vnc-password" is said by a go-between at the monitor that is used.
cat >qemu-with-des <<'END'
#!/usr/bin/python3
import ctypes, json, os, re, socket, sys, threading

REAL = "/usr/libexec/xen-qemu-system-i386"
argv = [REAL] + [re.sub(r",password=on\b", "", a) for a in sys.argv[1:]]
monitor = r"socket,id=%s,(fd|path)=([^,]+),"
wanted = [(i, m) for name in ("xendmd-monitor", "libxl-cmd") for i, a in enumerate(argv)
          for m in [re.match(monitor % name, a)] if m]
if not wanted:
    os.execv(REAL, argv)
index, match = wanted[0]
if match[1] == "fd":
    outer = socket.socket(fileno=int(match[2]))
    outer.set_inheritable(False)
    outer.setblocking(True) # the daemon's is not
else:
    outer = socket.socket(socket.AF_UNIX)
    if os.path.exists(match[2]): # as QEMU: libxl 4.20 asks one for its options first, which leaves it
        os.unlink(match[2])
    outer.bind(match[2])
    outer.listen()
inner = socket.socket(socket.AF_UNIX)
inner.bind("\0qemu-with-des-%d" % os.getpid())
address = inner.getsockname()
inner.listen()

def copy(source, target, change):
    while data := source.recv(65536):
        data = change(data)
        if data:
            target.sendall(data)
    target.close()

def serve(client):
    qemu = socket.socket(socket.AF_UNIX)
    qemu.connect(address)
    decoder, buffer = json.JSONDecoder(), ""

    def commands(data):
        nonlocal buffer
        buffer += data.decode()
        out = b""
        while buffer := buffer.lstrip():
            try:
                command, end = decoder.raw_decode(buffer)
            except ValueError:
                break
            buffer = buffer[end:]
            if command.get("execute") == "change-vnc-password":
                client.sendall(json.dumps({"return": {}, "id": command.get("id")}).encode() + b"\r\n")
            else:
                out += json.dumps(command).encode() + b"\r\n"
        return out

    threading.Thread(target=copy, args=(qemu, client, lambda data: data), daemon=True).start()
    copy(client, qemu, commands)

if os.fork() == 0:
    ctypes.CDLL(None).prctl(1, 9) # with QEMU
    inner.close()
    while True:
        threading.Thread(target=serve, args=outer.accept()[:1], daemon=True).start()
inner.set_inheritable(True)
argv[index] = argv[index].replace(match[0], match[0].replace(match[1] + "=" + match[2], "fd=%d" % inner.fileno()))
os.execv(REAL, argv)
END
chmod +x qemu-with-des

guest()
{
	cat <<-END
		type = "pv"
		name = "secret"
		kernel = "/lab/vmlinuz"
		ramdisk = "$PWD/initrd.img"
		extra = "console=hvc0 loglevel=4"
		memory = 192
		on_crash = "preserve"
		vfb = [ 'type=vnc,vnclisten=127.0.0.1,vncunused=1,vncpasswd=$SECRET' ]
		device_model_override = "$1"
	END
}

answers() { [[ $(ask_console ping hello) == hello ]]; }
# readable PATH…, refused PATH…: by the guest; of a path without a slash in front below its own.
paths()
{
	local path list=()
	for path; do
		[[ $path == /* ]] || path=/local/domain/$DOMID/$path
		list+=("$path")
	done
	echo "${list[*]}"
}
node() { xenstore-read "/local/domain/$DOMID/$1"; }
# The places where a password is, or could be.
places()
{
	paths console/vnc-pass "/local/domain/0/backend/vfb/$DOMID/0/vncpasswd" "$(node vm)/vncpasswd" \
		"/libxl/$DOMID/device/vfb/0/vncpasswd"
}
# What there is of the guest's; all else is refused already at its root, but a list of roots is asked too.
TREES='/ /vm /libxl /local /local/domain /local/domain/0 /tool'
found() { ask_console xs find "$SECRET" $TREES "$(node vm)" "$(paths '' | sed 's,/$,,')" "/local/domain/0/backend/"{vfb,vkbd,console}"/$DOMID/0" "/local/domain/0/device-model/$DOMID"; }

begin()
{
	guest "$1" >guest.cfg
	xl create guest.cfg >xl.log 2>&1 || fail "xl create: $(<xl.log) $(cat /var/log/xen/qemu-dm-secret.log)"
	DOMID=$(xl domid secret)
	wait_state "$DOMID" running 60
	wait_until 120 answers
	expect "libxl's word to clients in domain 0" "$(node console/vnc-pass)" "$SECRET"
	expect "the vfb's password" "$(xenstore-read "/local/domain/0/backend/vfb/$DOMID/0/vncpasswd")" "$SECRET"
	expect "what it may read" "$(ask_console xs read $(paths name console/vnc-port))" "secret $(node console/vnc-port)"
}

end()
{
	xl destroy secret || fail "xl destroy"
	wait_until 90 domain_gone "$DOMID"
	wait_until 30 status_empty
}

pv_initrd initrd.img
snapshot before

echo "== libxl alone: nothing of it is touched"
begin "$PWD/qemu-with-des"
expect kind "$(dm_field "$DOMID" kind)" foreign
expect "the passwords as it reads them" "$(ask_console xs read $(places))" "$SECRET $SECRET $SECRET !EACCES"
[[ $(found) == "3 of "* ]] || fail "nodes with the password: $(found)"
end

echo "== handed over"
define secret <<<"{\"match\": {\"name\": \"secret\"}, \"kind\": \"qemu\", \"binary\": \"$PWD/qemu-with-des\"}"
begin /usr/libexec/xendmd/dm-handoff
expect source "$(dm_field "$DOMID" source)" handoff
tr '\0' ' ' <"/proc/$(dm_field "$DOMID" pid)/cmdline" | grep -q 'machine xenpv' || fail "no xenpv QEMU"
expect "the passwords as it reads them" "$(ask_console xs read $(places))" "!EACCES !EACCES !EACCES !EACCES"
expect "its device model's nodes" "$(ask_console xs read "/local/domain/0/device-model/$DOMID" \
	"/local/domain/0/device-model/$DOMID/state" "/local/domain/0/xendmd/$DOMID/state")" "!EACCES !EACCES !EACCES"
FOUND=$(found)
[[ $FOUND == "0 of "* && ${FOUND#0 of } != [0-9]:* ]] || fail "nodes with the password: $FOUND"
echo "the password is in $FOUND"

echo "== an upgrade: what an earlier xendmd left open"
for path in $(places | cut -d' ' -f1-3); do
	xenstore-chmod "$path" n0 "r$DOMID"
done
expect "the passwords as it reads them" "$(ask_console xs read $(places))" "$SECRET $SECRET $SECRET !EACCES"
systemctl restart xendmd
wait_state "$DOMID" running
wait_until 30 eval '[[ $(ask_console xs read $(places)) == "!EACCES !EACCES !EACCES !EACCES" ]]'
end
undefine secret
snapshot_same before 30
