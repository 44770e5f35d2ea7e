// SPDX-License-Identifier: Apache-2.0

package powercut

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The NBD protocol, fixed newstyle, as far as QEMU needs it; doc/proto.md of
// the nbd project.
const (
	nbdMagic      = 0x4e42444d41474943 // "NBDMAGIC"
	nbdOption     = 0x49484156454f5054 // "IHAVEOPT"
	nbdOptReply   = 0x0003e889045565a9
	nbdRequest    = 0x25609513
	nbdReply      = 0x67446698
	nbdNewstyle   = 1 << 0 // and, from the client, the same
	nbdNoZeroes   = 1 << 1
	nbdOptExport  = 1
	nbdOptAbort   = 2
	nbdOptInfo    = 6
	nbdOptGo      = 7
	nbdRepAck     = 1
	nbdRepInfo    = 3
	nbdErrUnknown = 1<<31 | 1
	nbdInfoExport = 0
	nbdFlags      = 1<<0 | 1<<2 | 1<<3 // flags are given, FLUSH and FUA are understood
	nbdCmdRead    = 0
	nbdCmdWrite   = 1
	nbdCmdDisc    = 2
	nbdCmdFlush   = 3
	nbdCmdFUA     = 1 << 0
	nbdEIO        = 5
	nbdEINVAL     = 22
	nbdMaxRequest = 64 << 20
)

// Serve serves d to each that connects, until l is closed.
func Serve(l net.Listener, d *Disk) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			s := session{bufio.NewReader(c), bufio.NewWriter(c), d}
			if s.negotiate() == nil {
				s.transmit()
			}
		}()
	}
}

type session struct {
	r *bufio.Reader
	w *bufio.Writer
	d *Disk
}

func (s session) put(values ...any) error {
	for _, v := range values {
		if err := binary.Write(s.w, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

func (s session) get(values ...any) error {
	for _, v := range values {
		if err := binary.Read(s.r, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

var errNBD = errors.New("not as NBD clients do")

// negotiate agrees on the one export.
func (s session) negotiate() error {
	if err := errors.Join(s.put(uint64(nbdMagic), uint64(nbdOption), uint16(nbdNewstyle|nbdNoZeroes)),
		s.w.Flush()); err != nil {
		return err
	}
	var client uint32
	if err := s.get(&client); err != nil {
		return err
	}
	for {
		var magic uint64
		var option, n uint32
		if err := s.get(&magic, &option, &n); err != nil {
			return err
		}
		if magic != nbdOption || n > 1<<16 {
			return errNBD
		}
		if _, err := s.r.Discard(int(n)); err != nil {
			return err
		}
		if done, err := s.option(option, client&nbdNoZeroes == 0); done || err != nil {
			return errors.Join(err, s.w.Flush())
		}
		if err := s.w.Flush(); err != nil {
			return err
		}
	}
}

// option answers one option; done: transmission begins.
func (s session) option(option uint32, zeroes bool) (done bool, err error) {
	reply := func(kind uint32, data ...any) error {
		return s.put(append([]any{uint64(nbdOptReply), option, kind, uint32(binarySize(data))}, data...)...)
	}
	switch option {
	case nbdOptExport:
		err = s.put(uint64(s.d.Size()), uint16(nbdFlags))
		if zeroes {
			err = errors.Join(err, s.put(make([]byte, 124)))
		}
		return true, err
	case nbdOptGo, nbdOptInfo:
		err = errors.Join(reply(nbdRepInfo, uint16(nbdInfoExport), uint64(s.d.Size()), uint16(nbdFlags)),
			reply(nbdRepAck))
		return option == nbdOptGo, err
	case nbdOptAbort:
		return false, errors.Join(reply(nbdRepAck), errNBD)
	}
	return false, reply(nbdErrUnknown)
}

func binarySize(values []any) (n int) {
	for _, v := range values {
		n += binary.Size(v)
	}
	return n
}

// transmit serves requests until the client goes.
func (s session) transmit() error {
	for {
		var magic uint32
		var flags, kind uint16
		var handle, off uint64
		var n uint32
		if err := s.get(&magic, &flags, &kind, &handle, &off, &n); err != nil {
			return err
		}
		if magic != nbdRequest || n > nbdMaxRequest {
			return errNBD
		}
		if kind == nbdCmdDisc {
			return nil
		}
		data, err := s.serve(kind, flags, int64(off), n)
		if err != nil && data == nil && errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err := errors.Join(s.put(uint32(nbdReply), errnoOf(err), handle, data), s.w.Flush()); err != nil {
			return err
		}
	}
}

// serve does one request and returns what is read.
func (s session) serve(kind, flags uint16, off int64, n uint32) ([]byte, error) {
	switch kind {
	case nbdCmdRead:
		data := make([]byte, n)
		if err := s.d.ReadAt(data, off); err != nil {
			return nil, err
		}
		return data, nil
	case nbdCmdWrite:
		data := make([]byte, n)
		if _, err := io.ReadFull(s.r, data); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, s.d.WriteAt(data, off, flags&nbdCmdFUA != 0)
	case nbdCmdFlush:
		return nil, s.d.Flush()
	}
	return nil, fmt.Errorf("command %d: %w", kind, errNBD)
}

func errnoOf(err error) uint32 {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errOff):
		return nbdEIO
	}
	return nbdEINVAL
}
