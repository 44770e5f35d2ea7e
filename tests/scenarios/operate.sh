# SPDX-License-Identifier: Apache-2.0
# Every command of docs/operate.md, in its order, on a machine where all is installed.
. "$(dirname "$0")/lib.sh"
install_units
udevadm control --reload
load_driver
mkdir -p /etc/zqublkd /data
zqublkd create -o size=400M /srv/data.qcow2 >/dev/null
zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M /srv/other.qcow2 >/dev/null
zqublkd create -o size=64M /srv/third.qcow2 >/dev/null

# The page's other machine is this one.
ip address add 10.0.0.1/24 dev lo
mkdir -p /etc/nvme
echo 4c1c7e7e-6a5b-4d0f-9c3a-0d5f9a3b7e11 >/etc/nvme/hostid
echo "nqn.2014-08.org.nvmexpress:uuid:$(</etc/nvme/hostid)" >/etc/nvme/hostnqn

page=/opt/zqublkd/operate.md
ran=0
while IFS= read -r command; do
	case $command in
	make*) ;; # what install_units stands for
	/dev/*) echo "$command" >>/etc/fstab ;;
	*)
		say "$command"
		eval "$command" >out 2>&1 </dev/null || die "$command: $(<out)"
		case $command in
		"nvme connect-all"*) eventually 60 eval 'compgen -G "/dev/nvme*n1"' || die "no disk came: $(<out) $(nvme list-subsys)" ;;
		"zqublkd list -o node,share") grep -q "nvme-tcp 10.0.0.1:4420 (nqn" out || die "$(<out)" ;;
		esac
		ran=$((ran + 1))
		;;
	esac
done < <(sed -n 's/^    //p' $page)
((ran >= 10)) || die "only $ran commands in $page"
equal "mounted" "$(findmnt -no FSTYPE /mnt)" f2fs
equal "devices" "$(zqublkd list --json | jq -r '[.[] | .name] | sort | join(" ")')" "data other.qcow2 third.qcow2"
umount /mnt
pass "$ran commands"

# Its line of fstab: the mount alone brings the unit up.
systemctl stop zqublkd@data
[ -s /etc/fstab ] || die "no line for fstab in $page"
systemctl daemon-reload
systemctl start data.mount
equal "state" "$(systemctl is-active zqublkd@data)" active
echo kept >/data/file
systemctl stop data.mount
systemctl stop zqublkd@data
systemctl start data.mount
equal "file" "$(</data/file)" kept
systemctl stop data.mount
systemctl stop zqublkd@data "$(systemd-escape --path --template=zqublkd@.service /srv/other.qcow2)"
zqublkd del third.qcow2
leftovers
pass "fstab"
pass "done"
