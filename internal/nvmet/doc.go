// SPDX-License-Identifier: Apache-2.0

// Package nvmet shares block devices with other machines through the kernel's NVMe target, which is
// configured by folders and links below /sys/kernel/config/nvmet. What is shared stands there and
// nowhere else: nothing is remembered, so nothing can be remembered wrongly.
//
// Invariants: only subsystems whose name begins with Prefix, and ports numbered from firstPort on,
// are changed or removed; whoever changes anything holds the lock on the root folder; a share that
// could not be made whole is taken back, in the opposite order.
package nvmet
