// SPDX-License-Identifier: Apache-2.0

// Package across starts two machines with a cable between them: one shares a zoned device, the
// other uses it, and the daemon that serves it is killed meanwhile.
package across
