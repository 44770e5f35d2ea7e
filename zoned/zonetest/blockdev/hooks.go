package blockdev

import (
	"fmt"
	"os"
	"os/exec"

	"zqublkd/zoned"
	"zqublkd/zoned/zonetest"
)

// Hooks are shell commands for what can't be done through the node; it is
// closed while they run. An empty one can't be done at all.
type Hooks struct {
	Cycle string // stop the device in good order and start it again
	// Degrade brings the zone at sector $SECTOR, number $ZONE, from condition
	// $WAS to $CONDITION: read-only, offline, or empty again.
	Degrade string
}

// Target is d with what the hooks add to it.
func (h Hooks) Target(d *Device) zonetest.Target {
	c, g := cycler{d, h.Cycle}, degrader{d, h.Degrade}
	switch {
	case h.Cycle != "" && h.Degrade != "":
		return struct {
			*Device
			cycler
			degrader
		}{d, c, g}
	case h.Cycle != "":
		return struct {
			*Device
			cycler
		}{d, c}
	case h.Degrade != "":
		return struct {
			*Device
			degrader
		}{d, g}
	}
	return d
}

type cycler struct {
	device  *Device
	command string
}

// PowerCycle implements zonetest.PowerCycler.
func (c cycler) PowerCycle() error { return c.device.without(c.command) }

type degrader struct {
	device  *Device
	command string
}

// SetCondition implements zonetest.Degrader.
func (g degrader) SetCondition(zone uint32, c zoned.Condition) error {
	d := g.device
	infos, errno := d.Report(d.geo.Start(zone), 1)
	if errno != 0 || len(infos) != 1 {
		return fmt.Errorf("report of zone %d: %w", zone, errno)
	}
	return d.without(g.command, fmt.Sprint("ZONE=", zone), fmt.Sprint("SECTOR=", infos[0].Start/sector),
		fmt.Sprint("WAS=", infos[0].Condition), fmt.Sprint("CONDITION=", c))
}

// without runs a shell command while nobody has the node open.
func (d *Device) without(command string, env ...string) error {
	if err := d.Close(); err != nil {
		return err
	}
	sh := exec.Command("bash", "-e", "-c", command)
	sh.Env = append(os.Environ(), env...)
	if out, err := sh.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return d.open()
}
