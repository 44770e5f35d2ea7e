// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"time"

	"zqublkd/internal/server"
	"zqublkd/internal/tally"
)

// Device is what is known of one device.
type Device struct {
	Node, Name, Image string // Node without /dev/
	Zoned             bool
	State             string // live, or why there are no Stats: hung, dead, starting, given-up, unknown, no-numbers
	Stats             *tally.Stats
}

// Source lists the devices of the machine.
type Source func() ([]Device, error)

// patience is how long a daemon may take to answer.
const patience = 2 * time.Second

// FromRunDir is the source of the devices in a run directory. q says what of; with
// Meter the daemons measure latencies as long as somebody asks.
func FromRunDir(runDir string, q server.StatsQuery) Source {
	return func() ([]Device, error) {
		records, err := server.Records(runDir)
		if err != nil {
			return nil, err
		}
		list := make([]Device, len(records))
		var all sync.WaitGroup
		for k, r := range records {
			all.Go(func() { list[k] = lookAt(runDir, r, q) })
		}
		all.Wait()
		return list, nil
	}
}

// FromDevice is FromRunDir of one device alone: no other daemon is asked for anything.
func FromDevice(runDir string, id uint32, q server.StatsQuery) Source {
	return func() ([]Device, error) {
		r, err := server.ReadRecord(runDir, id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, server.NotOurs(runDir, id)
		}
		if err != nil {
			return nil, err
		}
		return []Device{lookAt(runDir, r, q)}, nil
	}
}

func lookAt(runDir string, r server.Record, q server.StatsQuery) Device {
	d := Device{Node: "ublkb" + strconv.FormatUint(uint64(r.ID), 10), Name: r.Name, Image: r.Image, Zoned: r.Zoned,
		State: r.Silent()}
	if d.State != "" {
		return d
	}
	s, err := server.AskStats(runDir, r.ID, q, patience)
	switch {
	case errors.Is(err, server.ErrHung):
		d.State = "hung"
	case err != nil:
		d.State = "no-numbers"
	default:
		d.State, d.Stats = "live", &s
	}
	return d
}
