# SPDX-License-Identifier: Apache-2.0
# The machine that shares: it kills its daemon when the other one says so.
. /opt/zqublkd/scenarios/lib.sh
. /opt/zqublkd/scenarios/death.sh
. /opt/zqublkd/scenarios/initiator.sh
modprobe virtio_net
until_ok ip link set eth0 up
ip address add 10.0.0.1/24 dev eth0
load_driver
zqublkd create -o size=512M,zone.mode=host-managed,zone.size=8M,zone.max_open_zones=12,zone.max_active_zones=14 disk.qcow2 >/dev/null
add disk.qcow2 --recovery=reissue --recovery-limit=0
coproc orders { python3 /opt/zqublkd/across/orders.py; }
server=$orders_PID
read -r order <&"${orders[0]}"
equal "the first word" "$order" ready
zqublkd share "$dev" --nvme-tcp 10.0.0.1:4420 --host "$hostnqn" >/dev/null
pass "shared: $(zqublkd list -n -o share)"

while read -r order <&"${orders[0]}"; do
	[ "$order" = kill ] || break
	death
	echo "ok $deaths" >&"${orders[1]}"
done
equal "the last order" "$order" done
((deaths >= 2 * KILLS)) || die "only $deaths deaths"
echo ok >&"${orders[1]}"
wait "$server"
no_io_errors
zqublkd unshare "$dev"
equal "left by unshare" "$(ls /sys/kernel/config/nvmet/{ports,hosts})" "$(printf '%s:\n\n%s:' /sys/kernel/config/nvmet/{hosts,ports})"
del
verify_image disk.qcow2
leftovers
pass "$deaths deaths"
