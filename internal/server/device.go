// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
	"zqublkd/ublk"
)

// Device is one image served as one block device by this process.
type Device struct {
	cfg     Config
	log     *logrus.Logger
	open    opener
	driver  driver
	info    ublk.DevInfo
	cookie  uint64  // by which the driver's device is known as ours
	former  *uint32 // number of the image's last device, whose daemon died
	disk    *engine.Disk
	imageID imageID
	dir     *deviceDir
	state   *statefile.File
	char    *ublk.Device
	record  Record

	traces traces

	supervisor process // brings the next daemon; no process: none

	lanes            []*engine.Queue
	queues           sync.WaitGroup
	failed           chan error    // a queue that can't go on
	stopping         chan struct{} // closed: somebody asked for the end
	leaving          chan struct{} // closed: somebody asked for a hand-over
	stopOnce, goOnce sync.Once
	growTo           uint64 // size of the disk for the next daemon, in bytes; 0: as it is

	farewells farewells // to who asked for the end
	metering  metering
	clients   clients // of the control socket

	undo []func() error // what has to be taken down, last first
	keep bool           // the device stays when this daemon goes
	gone *uint32        // the number of a device that was to be taken over, and that the driver has no more

	users   func(id uint32) []string // who uses the device now
	release func() string            // of the kernel
}

// ErrQueue is a queue whose ring broke. The process must end at once: only
// then does the driver take its requests back.
var ErrQueue = errors.New("a queue can't go on")

// What keeps an image from being served at all.
var (
	ErrNotServable = errors.New("can't be served")
	ErrKernel      = errors.New("this kernel's ublk driver is")
)

// Serve serves an image until ctx ends, a client asks for the end, a queue
// fails (ErrQueue), or the device has been handed over (ErrHandOver). After
// these two the process has to end at once. ready is called when the device's node can be used.
func Serve(ctx context.Context, cfg Config, ready func(Record)) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	return newDevice(cfg, openKernel).serve(ctx, ready)
}

func newDevice(cfg Config, open opener) *Device {
	d := &Device{
		cfg: cfg, log: cfg.Log, open: open, users: Users, release: ublk.KernelRelease,
		failed: make(chan error, 1), stopping: make(chan struct{}), leaving: make(chan struct{}),
	}
	if cfg.Supervised != nil {
		d.supervisor = parentOf(cfg.Supervised)
	}
	return d
}

func (d *Device) serve(ctx context.Context, ready func(Record)) error {
	if err := d.bringUp(); err != nil {
		return errors.Join(err, d.takeDown())
	}
	d.startMeter()
	ready(d.record)
	done := make(chan struct{})
	defer close(done)
	ending := d.watch(done)
	if d.cfg.Cache == engine.CacheNone && !d.disk.Direct() {
		d.log.Warnf("%s: the data goes through the page cache", d.disk.Image().DataWay().Why())
	}
	select {
	case err := <-d.failed:
		return errors.Join(ErrQueue, err)
	case <-d.leaving:
		ending()
		return d.handOver()
	case <-d.stopping:
	case <-ctx.Done():
		ending()
		if d.canHandOver() == nil && d.cfg.NextComes != nil && d.cfg.NextComes() {
			return d.handOver()
		}
		if err := d.waitForUsers(); err != nil {
			return err
		}
	}
	ending()
	d.log.WithField("device", d.record.Node).Info("stopping")
	err := d.takeDown()
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnclean, err)
	}
	d.farewells.say(err)
	return err
}

// bringUp takes over a device of the image that waits for a daemon, or makes a
// new one.
func (d *Device) bringUp() error {
	r, ok := d.orphan()
	if !ok {
		return d.start()
	}
	err := d.takeOver(r)
	if !errors.Is(err, ErrGone) {
		return err
	}
	d.log.WithField("device", r.Node).Warn("the device of a daemon that died is gone; making a new one")
	if err := d.takeDown(); err != nil {
		return err
	}
	d.dir, d.keep, d.gone = nil, false, &r.ID
	return d.start()
}

// start brings a new device up, step by step.
func (d *Device) start() error {
	for _, step := range []func() error{d.openDisk, d.openDriver, d.buryDead, d.addDevice, d.makeState, d.startDisk,
		d.describe, d.startQueues, d.startDriver, d.waitForDisk, d.writeRecord, d.listen} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// later adds what takes a step down again.
func (d *Device) later(f func() error) { d.undo = append(d.undo, f) }

// atLast adds what is taken down after all there is so far.
func (d *Device) atLast(f func() error) { d.undo = append([]func() error{f}, d.undo...) }

// takeDown undoes the steps, last first; each one is tried.
func (d *Device) takeDown() error {
	var errs []error
	for i := len(d.undo) - 1; i >= 0; i-- {
		errs = append(errs, d.undo[i]())
	}
	d.undo = nil
	switch {
	case d.dir == nil:
	case d.keep:
		d.dir.lock.Close()
	default: // last: who waits for it may open the image again
		errs = append(errs, d.record.throwAway())
		d.dir.remove()
	}
	return errors.Join(errs...)
}

func (d *Device) openDisk() (err error) {
	o := engine.DiskOptions{ReadOnly: d.cfg.ReadOnly, Volatile: d.cfg.Volatile,
		Direct: d.cfg.Cache == engine.CacheNone, Allow: d.cfg.allow(),
		L2Cache: d.cfg.L2Cache, SnapshotID: d.cfg.SnapshotID, Log: d.log}
	if d.keep {
		d.disk, err = engine.OpenTaken(d.cfg.Image, d.dir.path(stateName), o)
	} else {
		d.disk, err = d.openWithLegacy(o)
	}
	if err != nil {
		return servedAs(d.cfg.RunDir, d.cfg.Image, err)
	}
	d.later(d.disk.Close)
	if d.imageID, err = imageIn(d.disk.File().Fd()); err != nil {
		return err
	}
	if err := engine.Servable(d.disk.Image()); err != nil {
		return fmt.Errorf("%s: %w: %w", d.cfg.Image, ErrNotServable, err)
	}
	return d.hideSnapshot()
}

func (d *Device) openWithLegacy(o engine.DiskOptions) (*engine.Disk, error) {
	left, err := LegacyOf(d.cfg.RunDir, d.cfg.Image)
	if err != nil {
		return nil, err
	}
	o.Compare = left.Compare
	disk, err := engine.OpenDisk(d.cfg.Image, o)
	return disk, left.Opened(err)
}

func (d *Device) openDriver() (err error) {
	if d.driver, err = d.open(); err != nil {
		return err
	}
	d.later(d.driver.Close)
	return nil
}

// deleteDevice deletes the device. Whoever still has the node open keeps its
// number in use until he closes it; the daemon does not wait for him.
func (d *Device) deleteDevice() error {
	if d.keep {
		return nil
	}
	if err := d.driver.DeleteDeviceAsync(d.info.ID); err != nil && !ublk.IsNoDevice(err) {
		return err
	}
	return nil
}

func (d *Device) makeState() error {
	shape, err := d.shape()
	if err != nil {
		return err
	}
	if d.state, err = statefile.Create(d.dir.path(stateName), shape); err != nil {
		return inRunDir(fmt.Errorf("state file: %w", err))
	}
	d.atLast(d.state.Close)
	return nil
}

func (d *Device) startDisk() error {
	return d.disk.Start(int(d.info.Queues)*int(d.info.Depth), d.state)
}

func (d *Device) describe() error {
	p := engine.Params(d.disk.Image(), d.cfg.ReadOnly)
	if d.zeroCopy() {
		p.DMAAlignment = ublk.SectorBytes - 1 // as a drive has it; the image file is no less strict
	}
	return d.driver.SetParams(d.info.ID, p)
}

// zeroCopy says that the driver registers requests' pages with the queues.
func (d *Device) zeroCopy() bool { return d.info.Flags.Has(ublk.FeatureAutoBufReg) }

// startDriver makes the disk appear.
func (d *Device) startDriver() error {
	took, err := d.driver.Start(d.info.ID)
	d.log.WithField("took", took).Debug("the driver has started the device")
	return err
}

// waitForDisk waits for the node and sets the scheduler: the zone rules need no
// order from it, and the default of a disk with one queue costs much.
func (d *Device) waitForDisk() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.driver.WaitForDisk(ctx, d.info.ID); err != nil {
		return err
	}
	if err := d.driver.SetScheduler(ctx, d.info.ID, "none"); err != nil {
		d.log.WithError(err).Warn("the I/O scheduler could not be set to none; requests will be slower")
	}
	return nil
}

// announce records a device that is being made, so that a daemon that dies
// meanwhile leaves nothing that nobody knows of.
func (d *Device) announce() error { return d.writeRecordAs(true) }

// writeRecord records a device that can be used.
func (d *Device) writeRecord() error { return d.writeRecordAs(false) }

func (d *Device) writeRecordAs(starting bool) error {
	d.record = Record{
		Options: d.cfg.Options, ID: d.info.ID, Node: d.info.BlockPath(), ImageID: d.imageID, PID: os.Getpid(),
		UsesPages: d.zeroCopy(), Recoveries: d.record.Recoveries,
		Start: processOf(os.Getpid()).start, Supervisor: d.supervisor.pid, SuperStart: d.supervisor.start,
		Unit:  d.cfg.Unit,
		Zoned: d.disk.Image().Zoned() != nil, Started: time.Now(), Starting: starting, Cookie: d.cookie,
	}
	d.record.Queues, d.record.Depth = d.info.Queues, d.info.Depth // the driver may give fewer than it was asked for
	return d.dir.write(d.record)
}
