// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

const (
	read4K      = "rand read 4K qd32"
	read128K    = "rand read 128K qd32"
	write4K     = "zone write 4K, 8 zones"
	write128K   = "zone write 128K, 8 zones"
	randWrite   = "rand write 4K qd32"
	overwrite   = "rand write 128K qd32"
	emptyRead   = "empty read 4K qd32"
	plainOurs   = ours + ", plain qcow2"
	userCopy    = "kublk loop, user copy"
	zeroCopy    = "kublk loop, zero copy"
	qemuNBDs    = "qemu-nbd, plain qcow2"
	qemuBench   = "qemu-img bench"
	pageCache   = "page cache"
	directIO    = "O_DIRECT"
	engineRead  = "read 4K qd32"
	engineWrite = "write 4K qd32"
)

// gates are what it takes to be as fast as the kernel lets a userspace device
// be.
var gates = slices.Concat(
	versus("1", 1.1, read4K, ours, "kublk loop", "", tmpfs),
	versus("1", 1.0, read4K, ours, "kublk loop", "", slow),
	versus("1", 1.25, read4K, ours, userCopy, "", tmpfs),

	versus("2", 1.0, write4K, ours, userCopy, "", tmpfs, slow),
	versus("2", 0.9, emptyRead, ours, "kublk null", "", tmpfs),

	versus("3", 1.0, read4K, ours, zeroCopy, "7.3", tmpfs, slow),
	versus("3", 1.0, read128K, ours, zeroCopy, "7.3", tmpfs, slow),
	versus("3", 1.0, write4K, ours, zeroCopy, "7.3", tmpfs, slow),
	versus("3", 1.0, write128K, ours, zeroCopy, "7.3", tmpfs, slow),
	versus("3", 1.5, read128K, ours, ours+", user copy", "7.3", tmpfs, slow),
	versus("3", 1.5, write128K, ours, ours+", user copy", "7.3", tmpfs, slow),
	versus("3", 1.5, overwrite, plainOurs, plainOurs+", user copy", "7.3", tmpfs, slow),

	versus("4", 4.5, read4K, plainOurs, qemuNBDs, "", tmpfs, slow),
	versus("4", 4.5, randWrite, plainOurs, qemuNBDs, "", tmpfs, slow),

	[]gate{{point: "5", mine: side{ours + ", 2 queues", "rand read 4K qd32, 2 jobs"}, peer: side{ours, read4K},
		stores: []string{tmpfs, slow}, want: 1.15, costs: true}},

	[]gate{{point: "5", mine: side{ours + ", 2 queues", engineRead}, peer: side{ours, engineRead}, kernel: nativeKernel,
		stores: []string{pageCache, directIO}, want: 1.15, costs: true}},

	versus("6", 1.5, engineRead, ours, qemuBench, nativeKernel, pageCache),
	versus("6", 1.5, engineWrite, ours, qemuBench, nativeKernel, pageCache),
	versus("6", 1.0, engineRead, ours, qemuBench, nativeKernel, directIO),
	versus("6", 1.0, engineWrite, ours, qemuBench, nativeKernel, directIO),
)

// versus is a gate of one workload.
func versus(point string, want float64, work, mine, peer, kernel string, stores ...string) []gate {
	return []gate{{point: point, mine: side{mine, work}, peer: side{peer, work}, stores: stores, kernel: kernel,
		want: want}}
}
