# SPDX-License-Identifier: Apache-2.0
# Words for the reader, on standard error.

say() { echo "tests/vm/setup: $*" >&2; }

die() {
	say "$*"
	exit 1
}
