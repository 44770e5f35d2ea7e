// SPDX-License-Identifier: Apache-2.0

// Package powercut pulls the plug of a machine that serves an image: its disk
// is an NBD server of this package that keeps writes in memory until a FLUSH or
// FUA, and at the cut loses or tears a random part of what it has kept. After
// the reboot every file that was fsynced must be there.
package powercut
