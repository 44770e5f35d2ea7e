// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"

	"zqublkd/internal/engine"
	"zqublkd/ublk"
)

// startQueues opens the device and runs each queue on a thread of its own.
func (d *Device) startQueues() (err error) {
	if d.char, err = d.driver.OpenDevice(d.info); err != nil {
		return err
	}
	d.later(d.char.Close)
	// The queues serve until the driver has stopped and takes their tags back.
	d.later(func() error {
		if d.keep { // the process is about to end, which gives the queues back
			return nil
		}
		err := d.driver.StopDevice(d.info.ID)
		d.char.Quit() // one that has not fetched yet hears nothing of a stop
		d.queues.Wait()
		return err
	})
	ublk.EnsureProcs(int(d.info.Queues))
	d.lanes = make([]*engine.Queue, d.info.Queues)
	up := make(chan error, d.info.Queues)
	for id := range int(d.info.Queues) {
		d.queues.Add(1)
		go d.runQueue(id, up)
	}
	for range int(d.info.Queues) {
		if e := <-up; err == nil {
			err = e
		}
	}
	return err
}

// runQueue serves queue id to its end. What goes wrong before it is up fails
// the start, what goes wrong later the device.
func (d *Device) runQueue(id int, up chan<- error) {
	defer d.queues.Done()
	q, err := engine.NewQueue(d.disk, id, d.info.Depth, d.info.MaxIOBytes)
	if err != nil {
		up <- fmt.Errorf("queue %d: buffers: %w", id, err)
		return
	}
	defer q.Close()
	isUp := false
	err = d.char.Serve(id, q.Options(d.cpusFor(id)), q, func(ring *ublk.Queue) {
		d.driver.Attach(d.info.ID, ring)
		q.Attach(ring)
		d.lanes[id] = q
		isUp = true
		up <- nil
	})
	switch {
	case err == nil:
	case !isUp:
		up <- err
	default:
		d.fail(err)
	}
}

// fail reports the first queue that can't go on.
func (d *Device) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}
