// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"zqublkd/internal/engine"
	"zqublkd/internal/fault"
	"zqublkd/qcow2/format"
)

// What is done to a device in use, so that its users meet what drives do to them:
// faults, zones that degrade, a power cut.

// trouble obeys the commands for it.
func (d *Device) trouble(cmd command) (r reply) {
	var err error
	switch cmd.Verb {
	case "fault-add":
		if cmd.Rule == nil {
			return reply{Error: "no fault is given"}
		}
		if r.Fault, err = d.disk.AddFault(*cmd.Rule); err == nil {
			err = d.saveFaults()
		}
	case "fault-clear":
		if err = d.disk.ClearFaults(cmd.Fault); err == nil {
			err = d.saveFaults()
		}
	case "fault-list":
		r.Faults = d.disk.Faults()
	case "powercut":
		d.log.WithField("device", d.record.Node).Warn("the power is cut")
		if err = d.disk.PowerCut(d.lanes, cmd.Cut); err == nil {
			r.Notes = cutNotes(d.disk)
		}
	case "zones":
		err = d.setZones(cmd.Zones, cmd.Full)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// cutNotes says what a power cut leaves that a drive's might not.
func cutNotes(d *engine.Disk) []string {
	switch {
	case d.Volatile():
	case d.Image().Zoned() == nil:
		return []string{"this is a plain image: its writes are not lost, it keeps them all; add --volatile-cache loses them"}
	case d.Geometry().Conventional > 0:
		return []string{"writes to conventional zones are not lost, they keep them all; add --volatile-cache loses them"}
	}
	return nil
}

func (d *Device) setZones(runs []format.ConditionRun, full bool) error {
	if !full {
		return d.disk.SetConditions(runs...)
	}
	for _, r := range runs {
		for zone := uint64(r.First); zone < r.End(); zone++ {
			if err := d.disk.FinishZone(uint32(zone)); err != nil {
				return err
			}
		}
	}
	return nil
}

// saveFaults keeps the rules that are to outlive this daemon beside its record.
func (d *Device) saveFaults() error {
	var rules []fault.Rule
	for _, f := range d.disk.Faults() {
		if f.Persist {
			rules = append(rules, f.Rule)
		}
	}
	path := d.dir.path(faultsName)
	if len(rules) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	b, err := json.Marshal(rules)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return inRunDir(err)
}

// keepFaults takes the rules over that the daemon before has kept; they count anew.
// One that can't be used is no reason not to serve.
func (d *Device) keepFaults() error {
	b, err := readRunFile(d.dir.path(faultsName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var rules []fault.Rule
	if err == nil {
		err = json.Unmarshal(b, &rules)
	}
	for _, r := range rules {
		if _, e := d.disk.AddFault(r); e != nil {
			err = errors.Join(err, fmt.Errorf("fault %d: %w", r.ID, e))
		}
	}
	if err != nil {
		d.log.WithError(err).Warn("the faults that the daemon before has kept can't be used")
	}
	return nil
}

// troubleTime is how long a daemon may take for what waits for requests in flight.
const troubleTime = time.Minute

// AddFault adds a fault to device id and returns its number.
func AddFault(runDir string, id uint32, r fault.Rule) (int, error) {
	a, err := ask(runDir, id, command{Verb: "fault-add", Rule: &r})
	return a.Fault, err
}

// Faults lists the faults of device id.
func Faults(runDir string, id uint32) ([]fault.Counted, error) {
	a, err := ask(runDir, id, command{Verb: "fault-list"})
	return a.Faults, err
}

// ClearFaults takes away a fault of device id, or all for 0.
func ClearFaults(runDir string, id uint32, number int) error {
	_, err := ask(runDir, id, command{Verb: "fault-clear", Fault: number})
	return err
}

// PowerCut cuts the power of device id. The notes say what that does not do to it.
func PowerCut(runDir string, id uint32, c engine.Cut) (notes []string, err error) {
	a, err := askWithin(runDir, id, command{Verb: "powercut", Cut: c}, troubleTime)
	return a.Notes, err
}

// SetZones changes the condition of zones of device id while it is in use, or makes
// them full.
func SetZones(runDir string, id uint32, runs []format.ConditionRun, full bool) error {
	_, err := askWithin(runDir, id, command{Verb: "zones", Zones: runs, Full: full}, troubleTime)
	return err
}
