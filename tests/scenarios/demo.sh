# SPDX-License-Identifier: Apache-2.0
# make demo's native path: this kernel has zones, so it must run right here.
. "$(dirname "$0")/lib.sh"
ZQUBLKD_BIN=/opt/zqublkd/zqublkd bash "$(dirname "$0")/../demo/run" | tee out
grep -q "running here" out || die "demo did not choose the native path"
grep -q "every file is there, with the same checksum" out || die "demo did not get to its end"
leftovers
pass "demo, native"
