# SPDX-License-Identifier: Apache-2.0
# The cache: one folder per piece, each with a stamp that says which recipe made it. A piece is built
# aside and moved into place when complete, so an interrupted run leaves none half done.

# recipe PIECE: the files the piece is made from; a change in one of them makes it stale.
recipe() {
	case $1 in
	guest) echo "$here"/setup.d/{guest,systemd,mirror}.sh ;;
	prometheus) echo "$here"/setup.d/{prometheus,mirror}.sh ;;
	kublk) echo "$here"/setup.d/{kublk,mirror}.sh ;;
	kernel-*) echo "$here"/setup.d/{kernel,modules,initramfs,mirror}.sh "$here/guest/early" ;;
	*) die "unknown piece $1; there are: ${all[*]}" ;;
	esac
}

wanted_stamp() {
	local files
	files=$(recipe "$1")
	cat $files | sha256sum | cut -d ' ' -f 1
}

is_fresh() {
	[ "$(cat "$cache/$1/stamp" 2>/dev/null)" = "$(wanted_stamp "$1")" ]
}

# fill_cache PIECE...: builds those that are missing, stale, or to be refreshed.
fill_cache() {
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	rm -rf "$cache"/.fill.* # left by an interrupted run
	trap 'rm -rf "$cache"/.fill.*' EXIT
	local piece
	for piece; do
		fill_piece "$piece"
	done
	say "ready in $cache ($(du -sh "$cache" | cut -f 1))"
}

fill_piece() {
	local piece=$1 work began=$SECONDS
	if [ -z "$refresh" ] && is_fresh "$piece"; then
		return 0
	fi
	say "building $piece"
	work=$(mktemp -d "$cache/.fill.XXXXXX")
	mkdir "$work/piece"
	build_"${piece%%-*}" "$work" "${piece#*-}"
	wanted_stamp "$piece" >"$work/piece/stamp"
	[ ! -e "$cache/$piece" ] || mv "$cache/$piece" "$work/old"
	mv "$work/piece" "$cache/$piece"
	rm -rf "$work"
	say "$piece done in $((SECONDS - began)) s: $(cat "$cache/$piece/version")"
}
