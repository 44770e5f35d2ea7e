// SPDX-License-Identifier: Apache-2.0

// Package replay does to a zoned block device, ours or any other, what a trace
// (package trace) says, and tells where it answers otherwise or ends with other
// zones.
//
//	t, err := replay.Load(file)
//	r, err := replay.Run(t, replay.Options{Device: "/dev/nullb0", Prepare: true})
//
// The requests are done one after the other in the order of their turns, with
// what the kernel offers to programs: direct reads and writes, fsync, the zone
// ioctls. An append is a write to the place that it had. What is written follows
// from its place alone (fill).
package replay
