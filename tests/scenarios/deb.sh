# SPDX-License-Identifier: Apache-2.0
# The Debian package's whole life: install, serve by hand and by the table, upgrade with I/O
# going on, a removal that is refused while devices are served, purge.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
# The package's program, not the one under test; and dpkg, which the machine is without.
mkdir tools
ln -s /opt/zqublkd/dpkg /opt/zqublkd/dpkg-deb /opt/zqublkd/dpkg-query /opt/zqublkd/dpkg-split tools/
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$work/tools
command -v zqublkd && die "a machine with a zqublkd of its own"
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/log /srv
touch /var/lib/dpkg/status /var/lib/dpkg/available
load_driver
deb=$(ls /opt/zqublkd/deb/zqublkd_*.deb)
# What the machine is made of is not in its database.
dpkg_i() { dpkg --force-depends --force-bad-path --force-confnew -i "$1" >dpkg.log 2>&1 || die "dpkg -i $1: $(<dpkg.log)"; }

find /etc /usr /lib /var/lib/systemd -xdev -path '*zqublkd*' | sort >before
dpkg_i "$deb"
dpkg -L zqublkd >files
for file in /usr/bin/zqublkd /usr/share/man/man8/zqublkd.8.gz /usr/share/man/man5/zqublkd-table.5.gz \
	/usr/share/bash-completion/completions/zqublkd /usr/lib/systemd/system-generators/zqublkd-generator; do
	grep -qx "$file" files || die "$file is not in the package: $(<files)"
done
equal "version" "$(zqublkd --version | grep -o '[0-9][0-9.]*[0-9]' | head -1)" "$(dpkg-query -W -f '${Version}' zqublkd)"
grep -qx "$(zqublkd --version)" <(/usr/bin/zqublkd --version) || die "another program"
pass "install"

# A life: by hand and by the table.
zqublkd create -o size=256M,zone.mode=host-managed,zone.size=8M,zone.conventional_zones=2 /srv/fio.qcow2 >/dev/null
zqublkd create -o size=64M /srv/table.qcow2 >/dev/null
mkdir -p /etc/zqublkd
echo "data /srv/table.qcow2" >/etc/zqublkd/table
systemctl daemon-reload
systemctl start zqublkd@data
udevadm settle
[ -b /dev/zqublkd/data ] || die "no link to the device of the table"
dev=$(zqublkd add /srv/fio.qcow2)
id=${dev#/dev/ublkb}
equal "devices" "$(zqublkd list --json | jq length)" 2
pass "serve"

# Upgrade with I/O going on: the same package with a higher version and a program that differs.
dpkg-deb -R "$deb" next
sed -i 's/^Version: .*/&+next/' next/DEBIAN/control
printf 'program next' >>next/usr/bin/zqublkd
(cd next && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb --root-owner-group -b next next.deb >/dev/null
writing() {
	while [ ! -e enough ]; do
		blkzone reset -o 32768 "$dev"
		fio --name=w --filename="$dev" --zonemode=zbd --offset=16M --size=32M --direct=1 --rw=write --bs=16k \
			--ioengine=io_uring --iodepth=8 --verify=crc32c --verify_fatal=1 >fio.log 2>&1 || { cat fio.log; return 1; }
	done
}
writing &
writer=$!
sleep 1
before_pid=$(daemon_of "$id")
dpkg_i next.deb
after_pid=$(daemon_of "$id")
[ "$before_pid" != "$after_pid" ] || die "the daemon is the old one: $(<dpkg.log)"
tail -c 12 "/proc/$after_pid/exe" | grep -aq "program next" || die "the device is not served by the new program"
tail -c 12 "/proc/$(zqublkd list --json | jq '.[] | select(.name == "data") | .pid')/exe" | grep -aq "program next" ||
	die "the unit's device is not served by the new program"
sleep 1
touch enough
wait $writer || die "fio failed over the upgrade"
equal "errors" "$(zqublkd errors "$dev")" ""
equal "devices" "$(zqublkd list --json | jq length)" 2
deaths=0
no_io_errors
pass "upgrade with I/O going on"

# A removal would leave devices without a program.
if dpkg --force-depends --force-bad-path -r zqublkd >dpkg.log 2>&1; then die "removed under devices in use"; fi
grep -q "devices are being served" dpkg.log || die "$(<dpkg.log)"
equal "devices" "$(zqublkd list --json | jq length)" 2
zqublkd del "$dev"
systemctl stop zqublkd@data
zqublkd check /srv/fio.qcow2 >/dev/null
leftovers
pass "removal refused"

dpkg --force-depends --force-bad-path -P zqublkd >dpkg.log 2>&1 || die "$(<dpkg.log)"
find /etc /usr /lib /var/lib/systemd -xdev -path '*zqublkd*' | sort >after
diff before after || die "purge leaves files"
[ ! -e /run/zqublkd ] || die "purge leaves /run/zqublkd"
[ ! -e /usr/bin/zqublkd ] || die "purge leaves the program"
[ -e /srv/fio.qcow2 ] || die "purge takes an image"
pass "done"
