package blockdev

import (
	"fmt"
	"os/exec"
)

// Cycled is a Device that can be stopped and started again by a shell command;
// nobody has the node open while it runs.
type Cycled struct {
	*Device
	Command string
}

// PowerCycle implements zonetest.PowerCycler.
func (c Cycled) PowerCycle() error {
	if err := c.Close(); err != nil {
		return err
	}
	if out, err := exec.Command("sh", "-e", "-c", c.Command).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", c.Command, err, out)
	}
	return c.open()
}
