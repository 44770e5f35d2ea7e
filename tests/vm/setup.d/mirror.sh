# SPDX-License-Identifier: Apache-2.0
# Packages of other Debian releases, from the mirror this machine's apt is set up with.
# They are only unpacked into the cache; nothing of them is installed here.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror_url: base URL of the Debian archive, without a trailing slash.
mirror_url() {
	local url=${ZQUBLKD_VM_MIRROR:-}
	[ -n "$url" ] || url=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
		--format '$(REPO_URI)' | head -n 1)
	[ -n "$url" ] || die "apt has no Debian archive among its sources; set ZQUBLKD_VM_MIRROR=URL"
	echo "${url%/}"
}

# apt_for FOLDER RELEASE: sets the array `apt` to options that make apt look at that release of the
# mirror only, with all its state in FOLDER, and gets the package lists.
apt_for() {
	local folder=$1 release=$2
	mkdir -p "$folder/lists/partial" "$folder/archives/partial"
	echo "deb [signed-by=$keyring] $(mirror_url) $release main" >"$folder/sources.list"
	apt=(
		-o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Lists="$folder/lists" -o Dir::State::status=/dev/null
		-o Dir::Cache="$folder" -o Dir::Cache::archives="$folder/archives"
		-o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
	)
	apt-get "${apt[@]}" update -q >&2 ||
		die "no Debian $release at $(mirror_url); set ZQUBLKD_VM_MIRROR to a mirror that has it"
}

# newest PREFIX PATTERN: the newest package name that begins with PREFIX and matches PATTERN whole; "" if
# there is none.
newest() {
	apt-cache "${apt[@]}" pkgnames "$1" | { grep -xE "$2" || true; } | sort -V | tail -n 1
}

# unpack FOLDER PACKAGE...: the packages' files below FOLDER.
unpack() {
	local folder=$1 debs
	shift
	debs=$(mktemp -d "$folder.debs.XXXXXX")
	(cd "$debs" && apt-get "${apt[@]}" download -q "$@" >&2)
	mkdir -p "$folder"
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	rm -r "$debs"
}
