// SPDX-License-Identifier: Apache-2.0

// Package devicelist is what the verb list tells of devices: how each stands now, in columns.
package devicelist

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"zqublkd/internal/nvmet"
	"zqublkd/internal/server"
	"zqublkd/ublk"
)

// Device is a device as list shows it: its record, and how it stands now.
type Device struct {
	server.Record
	Kind    string   `json:"kind"`
	State   string   `json:"state"`
	Reason  string   `json:"reason,omitempty"` // of state given-up or failed
	Size    uint64   `json:"size"`             // bytes; 0: not known, its device is gone
	Zones   uint64   `json:"zones"`            // of a zoned one
	Holders []string `json:"holders"`          // who has mounted or stacked something on it
	Gone    bool     `json:"image_deleted"`

	Share *nvmet.Share `json:"share,omitempty"` // with other machines
}

// Look finds out how a device stands now.
func Look(runDir string, r server.Record) Device {
	d := Device{Record: r, Kind: "plain", Holders: server.Claims(r.ID), Gone: r.ImageGone()}
	d.State, d.Reason = stateOf(runDir, r)
	if shares := nvmet.Kernel().Shares(r.Node); len(shares) > 0 {
		d.Share = &shares[0]
	}
	if d.Holders == nil {
		d.Holders = []string{}
	}
	d.Size = sysNumber(r.ID, "size") * ublk.SectorBytes
	if r.Zoned {
		d.Kind, d.Zones = "zoned", sysNumber(r.ID, "queue/nr_zones")
	}
	return d
}

// sysNumber reads a number that sysfs has of a device, 0 if it has none.
func sysNumber(id uint32, name string) uint64 {
	b, err := os.ReadFile(filepath.Join(ublk.SysPath(id), name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// Patience is how long a daemon may take to say how it stands.
const Patience = 2 * time.Second

// stateOf returns what a device is good for, and why; its daemon knows whether it has
// failed.
func stateOf(runDir string, r server.Record) (state, why string) {
	switch silent := r.Silent(); silent {
	case "":
	case "unknown":
		return silent + " (no permission)", ""
	case "given-up":
		return silent, r.GivenUp
	default:
		return silent, ""
	}
	s, err := server.AskStatusWithin(runDir, r.ID, Patience)
	switch {
	case errors.Is(err, server.ErrHung):
		return "hung", ""
	case err == nil && s.Failure != "":
		return "failed", s.Failure
	case r.ReadOnly:
		return "read-only", ""
	}
	return "live", ""
}
