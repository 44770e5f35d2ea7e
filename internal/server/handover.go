// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"time"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
)

// ErrHandOver ends a daemon that has handed its device over: the driver keeps
// the device, and the requests that were not begun, for the next daemon.
var ErrHandOver = errors.New("the device waits for the next daemon")

// pauseTimeout bounds the wait for requests in flight. What has not ended by
// then is sent again to the next daemon, as after a sudden death.
const pauseTimeout = 10 * time.Second

// canHandOver says why the device can't be handed over, nil if it can.
func (d *Device) canHandOver() error {
	switch {
	case d.cfg.Recovery != RecoveryReissue:
		return noRecovery(d.record)
	case errors.Is(d.disk.Failure(), engine.ErrPowerCut):
		return fmt.Errorf("%s: %w: %w", d.record.Node, ErrRecover, d.disk.Failure())
	case d.disk.Frozen() && !d.cfg.ReadOnly:
		return fmt.Errorf("%s is read-only since its image could not be made durable: %w: stop it and check the image", d.record.Node, ErrRecover)
	}
	return nil
}

// mayHandOver judges a request to hand over to a daemon that reads state files
// of a version.
func (d *Device) mayHandOver(version int) error {
	if version != statefile.Version {
		return fmt.Errorf("%s: %w: its daemon keeps state of version %d, the program that asks reads version %d; delete the device and add its image again",
			d.record.Node, ErrRecover, statefile.Version, version)
	}
	return d.canHandOver()
}

// handOver stops beginning requests, waits for those in flight and makes the
// image durable. The process has to end then: that gives the device back.
func (d *Device) handOver() error {
	d.log.WithField("device", d.record.Node).Info("handing over")
	if d.cfg.Orderly != nil {
		d.cfg.Orderly()
	}
	answered, err := d.disk.Drain(d.lanes, pauseTimeout)
	if !answered {
		d.log.Warn("requests are still in flight; the next daemon gets them again")
	}
	switch {
	case err != nil:
		d.log.WithError(err).Error("the image could not be made durable before the hand-over")
	case answered:
		d.state.Rest()
	}
	d.traces.finish()
	if d.growTo > 0 {
		d.farewells.say(d.grow(answered && err == nil))
	}
	return ErrHandOver
}
