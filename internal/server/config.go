// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/sirupsen/logrus"

	"zqublkd/internal/devname"
	"zqublkd/internal/engine"
)

// Recovery is what becomes of the device when its daemon dies.
type Recovery string

// The ways of recovery.
const (
	RecoveryOff     Recovery = "off"     // the disk goes, its users get errors
	RecoveryReissue Recovery = "reissue" // the disk waits; requests are sent again to the next daemon
)

// ZeroCopy is whether file I/O uses the requests' own pages where it can.
type ZeroCopy string

// The choices for zero copy.
const (
	ZeroCopyAuto ZeroCopy = "auto" // if the kernel can (Linux 6.16)
	ZeroCopyOff  ZeroCopy = "off"
)

// Config says what is served and how.
type Config struct {
	Options
	ID    int32 // device number, -1: any
	Force bool  // add a device even to a kernel that is known to crash then

	Supervised func(args []string) bool // does a parent with these arguments bring the daemon back? nil: nobody does
	Unit       string                   // systemd's unit that does
	NextComes  func() bool              // asked when the context ends: is it for another daemon to go on? may be nil
	Orderly    func()                   // told before a hand-over, which counts as no death; may be nil
	Log        *logrus.Logger

	Watchdog     func()        // told as long as the queues are alive; may be nil
	WatchdogTime time.Duration // within which it has to be; 0: nobody waits for it
}

// DefaultRunDir is where devices are recorded. It must be on tmpfs: what it
// holds is worthless after a reboot.
const DefaultRunDir = "/run/zqublkd"

// DefaultDepth is the number of tags of a queue.
const DefaultDepth = 64

// ErrConfig is a value that no device can have.
var ErrConfig = errors.New("no such choice")

// complete fills in defaults and refuses what can't be.
func (c *Config) complete() error {
	if c.Image == "" {
		return fmt.Errorf("no image given")
	}
	abs, err := filepath.Abs(c.Image)
	if err != nil {
		return err
	}
	c.Image = abs
	if c.Name != "" {
		if err := devname.Check(c.Name); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if c.Queues == 0 {
		c.Queues = uint16(min(runtime.NumCPU(), 64))
	}
	if c.Depth == 0 {
		c.Depth = DefaultDepth
	}
	if c.RunDir == "" {
		c.RunDir = DefaultRunDir
	}
	if c.RunDir, err = filepath.Abs(c.RunDir); err != nil {
		return err
	}
	if c.Log == nil {
		c.Log = logrus.StandardLogger()
	}
	return c.check()
}

func (c *Config) check() error {
	switch c.Recovery {
	case "":
		c.Recovery = RecoveryReissue
	case RecoveryOff, RecoveryReissue:
	default:
		return fmt.Errorf("recovery %q: %w: must be %s or %s", c.Recovery, ErrConfig, RecoveryReissue, RecoveryOff)
	}
	switch c.Cache {
	case "":
		c.Cache = engine.CacheNone
	case engine.CacheNone, engine.CacheWriteback:
	default:
		return fmt.Errorf("cache %q: %w: must be %s or %s", c.Cache, ErrConfig, engine.CacheNone, engine.CacheWriteback)
	}
	switch c.ZeroCopy {
	case "":
		c.ZeroCopy = ZeroCopyAuto
	case ZeroCopyAuto, ZeroCopyOff:
	default:
		return fmt.Errorf("zero copy %q: %w: must be %s or %s", c.ZeroCopy, ErrConfig, ZeroCopyAuto, ZeroCopyOff)
	}
	return nil
}
