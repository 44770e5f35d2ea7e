# SPDX-License-Identifier: Apache-2.0
# What the machine itself needs, from its own Debian release.

host_packages=(
	qemu-system-x86 qemu-utils # the emulator of this release is the fastest we measured
	mmdebstrap erofs-utils cpio busybox-static kmod xz-utils zstd
	mount util-linux e2fsprogs xfsprogs # the stores of the tests of rigs
	apt ca-certificates debian-archive-keyring
)

missing_packages() {
	local name
	for name in "${host_packages[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
	done
}

install_host_packages() {
	local missing
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	say "installing" $missing
	refresh_host_lists
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >&2
}

host_lists_fresh=

# Package lists go stale and a new machine has none; once per run is enough.
refresh_host_lists() {
	[ -z "$host_lists_fresh" ] || return 0
	apt-get update -q >&2
	host_lists_fresh=yes
}
