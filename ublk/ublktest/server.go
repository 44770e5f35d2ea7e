// SPDX-License-Identifier: Apache-2.0

package ublktest

import (
	"errors"
	"sync"

	"zqublkd/ublk"
)

// Server runs all queues of a fake device.
type Server struct {
	*Driver
	wg   sync.WaitGroup
	errs chan error
}

// Serve makes a device and runs handler on each of its queues.
func Serve(queues, depth uint16, flags ublk.Features, o ublk.QueueOptions, h ublk.Handler) (*Server, error) {
	d, err := New(queues, depth, flags)
	if err != nil {
		return nil, err
	}
	s := &Server{Driver: d, errs: make(chan error, queues)}
	device := d.Device()
	for q := range int(queues) {
		s.wg.Go(func() { s.errs <- device.Serve(q, o, h, d.Attach) })
	}
	return s, nil
}

// Wait returns when all queues have ended, with their errors.
func (s *Server) Wait() error {
	s.wg.Wait()
	var errs []error
	for range cap(s.errs) {
		errs = append(errs, <-s.errs)
	}
	return errors.Join(errs...)
}

// End stops the device, waits for its queues, and reports what went wrong anywhere.
func (s *Server) End() error {
	s.Stop()
	return errors.Join(s.Wait(), s.Close())
}
