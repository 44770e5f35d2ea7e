# SPDX-License-Identifier: Apache-2.0
# Debian's Prometheus and its promtool: they judge our metrics, in the guest and on the host. Beside
# the guest and not in it, because one scenario needs them. They are Go programs, and want nothing
# but a C library.

# build_prometheus WORK: fills WORK/piece.
build_prometheus() {
	local work=$1
	refresh_host_lists
	apt_for "$work/apt" forky
	unpack "$work/deb" prometheus promtool
	cp "$work"/deb/usr/bin/{prometheus,promtool} "$work/piece/"
	"$work/piece/promtool" --version | head -n 1 >"$work/piece/version"
}
