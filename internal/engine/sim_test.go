// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/ublk"
)

// sim plays the driver and the kernel above it: queues with tags, data of
// requests, file I/O that completes in any order.
type sim struct {
	t      testing.TB
	disk   *Disk
	queues []*simQueue
	free   chan simTag
	ended  sync.WaitGroup

	// disturb, if any, is asked before each file I/O of n bytes: how many of them
	// move, and the errno if none do.
	disturb func(n int) (int, unix.Errno)
}

type simTag struct {
	q   *simQueue
	tag uint16
}

// simQueue is one queue: its goroutine plays the locked thread.
type simQueue struct {
	sim    *sim
	q      *Queue
	events chan func()
	quit   chan struct{}
	reqs   []simRequest
	copies func(n int) int32        // result of a linked copy of n bytes; nil: all of them
	pages  func(n int) (int, error) // how much of a transfer by registered pages succeeds; nil: no pages
}

type simRequest struct {
	desc   ublk.IODesc
	data   []byte
	answer chan simAnswer
}

type simAnswer struct {
	res    int32
	sector uint64
}

const simMaxIO = 1 << 20

// newSim serves the image at path over nq queues of depth tags.
func newSim(t testing.TB, path string, nq, depth int) *sim {
	t.Helper()
	d, err := OpenDisk(path, DiskOptions{Direct: true, Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	return simDisk(t, d, nq, depth)
}

func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// newSimIn serves the image in file.
func newSimIn(t testing.TB, file storage.File, nq, depth int) *sim {
	t.Helper()
	s, err := serveIn(t, file, nq, depth)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serveIn is newSimIn for an image that may turn out to be beyond serving.
func serveIn(t testing.TB, file storage.File, nq, depth int) (*sim, error) {
	d, err := openDiskOver(file, DiskOptions{Log: silent()})
	if err != nil {
		return nil, err
	}
	return serveWith(t, d, nq, depth, nil)
}

func simDisk(t testing.TB, d *Disk, nq, depth int) *sim {
	t.Helper()
	return simDiskWith(t, d, nq, depth, nil)
}

func simDiskWith(t testing.TB, d *Disk, nq, depth int, state *statefile.File) *sim {
	t.Helper()
	s, err := serveWith(t, d, nq, depth, state)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serveWith(t testing.TB, d *Disk, nq, depth int, state *statefile.File) (*sim, error) {
	if err := d.Start(nq*depth, state); err != nil {
		return nil, err
	}
	s := &sim{t: t, disk: d, free: make(chan simTag, nq*depth)}
	for id := range nq {
		s.addQueue(id, depth)
	}
	return s, nil
}

func (s *sim) addQueue(id, depth int) {
	q, err := NewQueue(s.disk, id, uint16(depth), simMaxIO)
	if err != nil {
		s.t.Fatal(err)
	}
	sq := &simQueue{sim: s, q: q, events: make(chan func(), 8*depth), quit: make(chan struct{}), reqs: make([]simRequest, depth)}
	q.lane = sq
	for tag := range depth {
		sq.reqs[tag].answer = make(chan simAnswer, 1)
		s.free <- simTag{sq, uint16(tag)}
	}
	s.queues = append(s.queues, sq)
	s.ended.Add(1)
	go func() {
		defer s.ended.Done()
		for {
			select {
			case f := <-sq.events:
				f()
			case <-sq.quit:
				return
			}
		}
	}()
}

// close ends the disk as an orderly stop does.
func (s *sim) close() {
	s.t.Helper()
	if err := s.shut(); err != nil {
		s.t.Fatalf("close: %v", err)
	}
}

func (s *sim) shut() error {
	for _, q := range s.queues {
		close(q.quit)
	}
	s.ended.Wait()
	err := s.disk.Close()
	for _, q := range s.queues {
		q.q.bufs.close()
	}
	return err
}

// do sends one request and waits for its answer. n counts bytes.
func (s *sim) do(op ublk.Op, flags ublk.OpFlags, off uint64, n uint32, data []byte) simAnswer {
	at := <-s.free
	r := &at.q.reqs[at.tag]
	count := n / ublk.SectorBytes
	if op == ublk.OpReportZones {
		count = n
	}
	r.desc, r.data = ublk.NewIODesc(op, flags, off/ublk.SectorBytes, count), data
	at.q.events <- func() { at.q.q.Request(nil, at.tag) }
	a := <-r.answer
	s.free <- at
	return a
}

// errno of an answer, 0 for success.
func (a simAnswer) errno() unix.Errno {
	if a.res < 0 {
		return unix.Errno(-a.res)
	}
	return 0
}

func (s *sim) write(off uint64, data []byte) unix.Errno {
	return s.do(ublk.OpWrite, 0, off, uint32(len(data)), data).errno()
}

func (s *sim) append(zone uint64, data []byte) (uint64, unix.Errno) {
	a := s.do(ublk.OpZoneAppend, 0, zone, uint32(len(data)), data)
	return a.sector * ublk.SectorBytes, a.errno()
}

func (s *sim) read(off uint64, n int) ([]byte, unix.Errno) {
	data := make([]byte, n)
	for i := range data {
		data[i] = 0xee
	}
	a := s.do(ublk.OpRead, 0, off, uint32(n), data)
	return data, a.errno()
}

func (s *sim) zone(op ublk.Op, off uint64) unix.Errno { return s.do(op, 0, off, 0, nil).errno() }

func (s *sim) flush() unix.Errno { return s.do(ublk.OpFlush, 0, 0, 0, nil).errno() }

// report asks for n zones from byte off.
func (s *sim) report(off uint64, n int) []ublk.BlkZone {
	data := make([]byte, n*ublk.BlkZoneBytes)
	if a := s.do(ublk.OpReportZones, 0, off, uint32(n), data); a.res < 0 {
		s.t.Fatalf("report: %v", a.errno())
	}
	zones := make([]ublk.BlkZone, n)
	for i := range zones {
		zones[i], _ = ublk.DecodeBlkZone(data[i*ublk.BlkZoneBytes:])
	}
	return zones
}

// The lane of a simQueue.

func (q *simQueue) Desc(tag uint16) ublk.IODesc { return q.reqs[tag].desc }
func (q *simQueue) Complete(tag uint16, res int32) {
	q.q.submitting()
	q.reqs[tag].answer <- simAnswer{res: res}
}
func (q *simQueue) CompleteAppend(tag uint16, res int32, sector uint64) {
	q.q.submitting()
	q.reqs[tag].answer <- simAnswer{res: res, sector: sector}
}
func (q *simQueue) Wake() {
	go q.post(func() { q.q.Woken(nil) })
}

func (q *simQueue) ReadFile(tag uint16, step uint8, fd int, buf []byte, off uint64) {
	q.file(tag, step, buf, func(buf []byte) (int, error) {
		if fd < 0 || fd == storagetest.PastCache {
			n, err := q.q.disk.file.ReadAt(buf, int64(off))
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		return unix.Pread(fd, buf, int64(off))
	})
}

func (q *simQueue) WriteFile(tag uint16, step uint8, fd int, buf []byte, off uint64) {
	q.file(tag, step, buf, func(buf []byte) (int, error) {
		if fd < 0 {
			return q.q.disk.file.WriteAt(buf, int64(off))
		}
		if fd == storagetest.PastCache {
			return q.q.disk.file.(*storagetest.Recorder).WriteDirect(buf, int64(off))
		}
		return unix.Pwrite(fd, buf, int64(off))
	})
}

func (q *simQueue) file(tag uint16, step uint8, buf []byte, io func(buf []byte) (int, error)) {
	go func() {
		res := q.fileIO(buf, io)
		q.post(func() { q.q.Done(nil, tag, step, res) })
	}()
}

func (q *simQueue) fileIO(buf []byte, io func(buf []byte) (int, error)) int32 {
	if q.sim.disturb != nil {
		n, errno := q.sim.disturb(len(buf))
		if errno != 0 {
			return -int32(errno)
		}
		buf = buf[:n]
	}
	n, err := io(buf)
	var errno unix.Errno
	if errors.As(err, &errno) {
		return -int32(errno)
	}
	return int32(n)
}

// Registered: the pages are, if the test has said so.
func (q *simQueue) Registered(uint16) bool { return q.pages != nil }

func (q *simQueue) ReadFilePages(tag uint16, step uint8, _ int, n uint32, off uint64) {
	q.byPages(tag, step, int(n), func(b []byte) (int, error) { return q.q.disk.file.ReadAt(b, int64(off)) })
}

func (q *simQueue) WriteFilePages(tag uint16, step uint8, _ int, n uint32, off uint64) {
	q.byPages(tag, step, int(n), func(b []byte) (int, error) { return q.q.disk.file.WriteAt(b, int64(off)) })
}

// byPages moves n bytes, or as the test wants fewer, or none with an error.
func (q *simQueue) byPages(tag uint16, step uint8, n int, io func([]byte) (int, error)) {
	q.file(tag, step, nil, func([]byte) (int, error) {
		most, err := q.pages(n)
		if err != nil {
			return 0, err
		}
		return io(q.reqs[tag].data[:most])
	})
}

// post makes f run on the queue's goroutine, while there is one.
func (q *simQueue) post(f func()) {
	select {
	case q.events <- f:
	case <-q.quit:
	}
}

// WriteFromRequest copies and writes; the write does not happen if the copy fails.
func (q *simQueue) WriteFromRequest(tag uint16, fetch, write uint8, at uint32, buf []byte, fd int, off uint64) {
	if res := q.copied(len(buf)); int(res) != len(buf) {
		go q.post(func() { q.q.Done(nil, tag, fetch, res) })
		return
	}
	copy(buf, q.reqs[tag].data[at:])
	q.WriteFile(tag, write, fd, buf, off)
}

// CompleteRead copies and answers; the request stays if the copy fails.
func (q *simQueue) CompleteRead(tag uint16, step uint8, buf []byte) {
	if res := q.copied(len(buf)); int(res) != len(buf) {
		go q.post(func() { q.q.Done(nil, tag, step, res) })
		return
	}
	q.Complete(tag, int32(copy(q.reqs[tag].data, buf)))
}

// copied is the result of a linked copy of n bytes.
func (q *simQueue) copied(n int) int32 {
	if q.copies == nil {
		return int32(n)
	}
	return q.copies(n)
}

func (q *simQueue) CopyFromRequestNow(tag uint16, off uint32, buf []byte) (int, unix.Errno) {
	return copy(buf, q.reqs[tag].data[off:]), 0
}

func (q *simQueue) CopyToRequestNow(tag uint16, off uint32, buf []byte) (int, unix.Errno) {
	return copy(q.reqs[tag].data[off:], buf), 0
}

// newImage creates an image in a folder of the test's.
func newImage(t testing.TB, o qcow2.CreateOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	f, err := storage.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := qcow2.Create(f, o); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkImage runs our own check on an image that must be clean.
func checkImage(t testing.TB, path string) {
	t.Helper()
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := check.Check(f, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode() != 0 {
		var text strings.Builder
		r.WriteText(&text)
		t.Fatalf("check of %s:\n%s", path, text.String())
	}
}
