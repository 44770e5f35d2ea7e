// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"zqublkd/internal/engine"
)

// Options are what the user chooses about a served device and what its next daemon
// goes on with. They are told on the command line, handed to a daemon in the
// background as they are, and written down in the device's record. A new one needs
// its flag (cmd/zqublkd/serve.go), its place here and the code that does it.
type Options struct {
	Image string `json:"image"`
	// SnapshotOf is the image that Image is a throw-away overlay of; empty: it is none.
	SnapshotOf string `json:"snapshot_of,omitempty"`
	// SnapshotID is the ID or name of the internal snapshot of Image that is served, read-only;
	// empty: the disk as it is.
	SnapshotID string       `json:"snapshot_id,omitempty"`
	Name       string       `json:"name"`  // for lists and udev's links; "": the image's file name, or one made of it
	Allow      engine.Allow `json:"allow"` // names found in the image that are followed
	ReadOnly   bool         `json:"read_only"`
	// Volatile: a power cut takes what no flush has covered of conventional zones, too.
	Volatile bool         `json:"volatile_cache,omitempty"`
	Recovery Recovery     `json:"recovery"`
	Cache    engine.Cache `json:"cache"`
	ZeroCopy ZeroCopy     `json:"zero_copy_choice"`
	Queues   uint16       `json:"queues"` // 0: one for each CPU
	Depth    uint16       `json:"depth"`  // tags of a queue
	// bytes of L2 tables in memory, of each image; 0: as many as map 512 GiB with clusters of 64
	// KiB
	L2Cache uint64 `json:"l2_cache,omitempty"`
	RunDir  string `json:"run_dir"` // where devices are recorded
	// nanoseconds, for users of the device when its daemon is told to end; 0: none
	StopWait time.Duration `json:"stop_wait"`
	// Metrics: latencies and what goes to each zone are measured as long as the device is
	// served; else only while somebody watches.
	Metrics bool `json:"metrics,omitempty"`
	// WatchGroup's members may ask the daemon how it stands; empty: root alone.
	WatchGroup string `json:"watch_group,omitempty"`
}

// unrecorded are the choices of a record that says nothing about them: it is from
// before they were written down.
var unrecorded = Options{ZeroCopy: ZeroCopyAuto, StopWait: DefaultStopWait}

// inherit makes o the choices that the daemon before has recorded, but for what
// the new daemon is told anew.
func (o *Options) inherit(recorded Options) {
	told := *o
	*o = recorded
	o.Image, o.RunDir, o.StopWait, o.ZeroCopy = told.Image, told.RunDir, told.StopWait, told.ZeroCopy
	o.Queues, o.Depth = told.Queues, told.Depth
}
