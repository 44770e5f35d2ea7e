// SPDX-License-Identifier: Apache-2.0

package blockdev

import (
	"fmt"
	"os"
	"os/exec"

	"zqublkd/zoned"
)

// Cycled is a Device that can be stopped and started again by a shell command;
// nobody has the node open while it runs.
type Cycled struct {
	*Device
	Command string
}

// PowerCycle implements zonetest.PowerCycler.
func (c Cycled) PowerCycle() error { return c.run(c.Command) }

// run closes the node for a shell command.
func (c Cycled) run(command string, env ...string) error {
	if err := c.Close(); err != nil {
		return err
	}
	cmd := exec.Command("sh", "-e", "-c", command)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return c.open()
}

// Degraded is a Cycled whose zones can become read-only, offline and normal
// again by a shell command that stops the device and starts it again: it gets
// $ZONE and $CONDITION.
type Degraded struct {
	Cycled
	Set string
}

// SetCondition implements zonetest.Degrader.
func (d Degraded) SetCondition(zone uint32, c zoned.Condition) error {
	name := c.String()
	if c == zoned.Empty {
		name = "normal"
	}
	if err := d.run(d.Set, fmt.Sprintf("ZONE=%d", zone), "CONDITION="+name); err != nil || c != zoned.Empty {
		return err
	}
	if e := d.Manage(zoned.OpReset, d.geo.Start(zone)); e != 0 {
		return fmt.Errorf("reset of zone %d: %w", zone, e)
	}
	return nil
}
