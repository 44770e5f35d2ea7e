// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// hexBytes is the bytes written in s, white space aside.
func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden skips nothing: the bytes written down are little-endian, as all machines the project is
// built for.
func golden(t testing.TB, got []byte, want string) {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Fatal("golden bytes are those of a little-endian machine")
	}
	if d := cmp.Diff(hexBytes(t, want), got); d != "" {
		t.Errorf("bytes differ (-want +got):\n%s", d)
	}
}

// TestSizes compares with include/uapi/linux/ublk_cmd.h and blkzoned.h.
func TestSizes(t *testing.T) {
	var c ioCmd
	for name, s := range map[string][2]uintptr{
		"ublksrv_io_desc":         {unsafe.Sizeof(IODesc{}), IODescBytes},
		"ublksrv_io_cmd":          {unsafe.Sizeof(c), 16},
		"ublksrv_io_cmd.tag":      {unsafe.Offsetof(c.tag), 2},
		"ublksrv_io_cmd.result":   {unsafe.Offsetof(c.result), 4},
		"ublksrv_io_cmd.addr":     {unsafe.Offsetof(c.addr), 8},
		"ublksrv_ctrl_cmd":        {ctrlCmdBytes, 32},
		"ublksrv_ctrl_dev_info":   {devInfoBytes, 64},
		"ublk_params":             {ParamsBytes, 152},
		"blk_zone":                {BlkZoneBytes, 64},
		"ublk_params with segs":   {offSegment + 16, 136},
		"ublk_params of 6.12":     {offDMAAlign + 4, 112},
		"offset of a second desc": {uintptr(IODescBytes), unsafe.Sizeof([2]IODesc{}) / 2},
	} {
		if s[0] != s[1] {
			t.Errorf("%s: %d, want %d", name, s[0], s[1])
		}
	}
}

// TestCommandNumbers recomputes the _IOR and _IOWR encodings of type 'u'.
func TestCommandNumbers(t *testing.T) {
	ioc := func(dir, nr, size uint32) uint32 { return dir<<30 | size<<16 | 'u'<<8 | nr }
	const r, rw = 2, 3
	for name, c := range map[string][2]uint32{
		"GET_QUEUE_AFFINITY":  {cmdGetQueueAffinity, ioc(r, 0x01, 32)},
		"GET_DEV_INFO":        {cmdGetDevInfo, ioc(r, 0x02, 32)},
		"ADD_DEV":             {cmdAddDev, ioc(rw, 0x04, 32)},
		"DEL_DEV":             {cmdDelDev, ioc(rw, 0x05, 32)},
		"START_DEV":           {cmdStartDev, ioc(rw, 0x06, 32)},
		"STOP_DEV":            {cmdStopDev, ioc(rw, 0x07, 32)},
		"SET_PARAMS":          {cmdSetParams, ioc(rw, 0x08, 32)},
		"GET_PARAMS":          {cmdGetParams, ioc(r, 0x09, 32)},
		"START_USER_RECOVERY": {cmdStartUserRecovery, ioc(rw, 0x10, 32)},
		"END_USER_RECOVERY":   {cmdEndUserRecovery, ioc(rw, 0x11, 32)},
		"GET_DEV_INFO2":       {cmdGetDevInfo2, ioc(r, 0x12, 32)},
		"GET_FEATURES":        {cmdGetFeatures, ioc(r, 0x13, 32)},
		"DEL_DEV_ASYNC":       {cmdDelDevAsync, ioc(r, 0x14, 32)},
		"UPDATE_SIZE":         {cmdUpdateSize, ioc(rw, 0x15, 32)},
		"QUIESCE_DEV":         {cmdQuiesceDev, ioc(rw, 0x16, 32)},
		"command 0xc0107520":  {ioFetch, ioc(rw, 0x20, 16)},
		"command 0xc0107521":  {ioCommitAndFetch, ioc(rw, 0x21, 16)},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %#x, want %#x", name, c[0], c[1])
		}
		if got := cmdName(c[0]); got != name {
			t.Errorf("%#x is called %q, want %q", c[0], got, name)
		}
	}
}

func TestCtrlCmdBytes(t *testing.T) {
	c := ctrlCmd{devID: 0x01020304, queue: noQueue, len: 64, addr: 0x1122334455667788, data: 4242}
	b := bytes.Repeat([]byte{0xaa}, 40)
	c.encode(b)
	golden(t, b, "04030201 ffff 4000 8877665544332211 9210000000000000 0000000000000000 aaaaaaaaaaaaaaaa")
}

func TestIOCmdBytes(t *testing.T) {
	c := ioCmd{queue: 1, tag: 0x203, result: -5, addr: 0x807060504030201}
	golden(t, (*[16]byte)(unsafe.Pointer(&c))[:], "0100 0302 fbffffff 0102030405060708")
}

func TestDevInfoBytes(t *testing.T) {
	d := DevInfo{Queues: 2, Depth: 128, State: StateLive, DescBytes: 24, MaxIOBytes: 1 << 20, ID: 7, ServerPID: -1,
		Flags: FeatureZoned | FeatureUserCopy, UserFlags: 0x0807060504030201, OwnerUID: 1000, OwnerGID: 1001}
	b := make([]byte, devInfoBytes)
	d.encode(b)
	golden(t, b, `0200 8000 0100 1800 00001000 07000000 ffffffff 00000000 8001000000000000 0102030405060708
		e8030000 e9030000 0000000000000000 0000000000000000`)
	got, err := DecodeDevInfo(b)
	if err != nil || got != d {
		t.Errorf("decoded %+v, %v", got, err)
	}
	if _, err := DecodeDevInfo(b[:63]); err == nil {
		t.Error("63 bytes were taken")
	}
	want := "ublk device 7: LIVE, 2 queues of 128, requests up to 1048576 bytes, server pid -1, USER_COPY|ZONED"
	if d.String() != want {
		t.Errorf("printed %q", d.String())
	}
}

// descOf is the descriptor of 24 bytes as a queue sees it, which reads them where they lie.
func descOf(b []byte) (d IODesc) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&d)), IODescBytes), b[:IODescBytes])
	return d
}

func TestIODescBytes(t *testing.T) {
	b := hexBytes(t, "0d200000 08000000 0000100000000000 7700000000000000")
	d := descOf(b)
	if d.Op() != OpZoneAppend || !d.FUA() || d.Sectors() != 8 || d.StartSector() != 1<<20 || d.Bytes() != 4096 || d.Offset() != 512<<20 || d.addr != 0x77 {
		t.Errorf("decoded %+v", d)
	}
	d.addr = 0
	if want := NewIODesc(OpZoneAppend, FlagFUA, 1<<20, 8); d != want {
		t.Errorf("decoded %+v, want %+v", d, want)
	}
}

func TestIODescString(t *testing.T) {
	for want, d := range map[string]IODesc{
		"READ 8 sectors at sector 16":                             NewIODesc(OpRead, 0, 16, 8),
		"WRITE 1 sectors at sector 0 META|FUA":                    NewIODesc(OpWrite, FlagFUA|FlagMeta, 0, 1),
		"FLUSH":                                                   NewIODesc(OpFlush, 0, noSector, 0),
		"ZONE_RESET_ALL":                                          NewIODesc(OpZoneResetAll, 0, 0, 0),
		"ZONE_RESET at sector 8192":                               NewIODesc(OpZoneReset, 0, 8192, 0),
		"ZONE_APPEND 4 sectors at sector 8192":                    NewIODesc(OpZoneAppend, 0, 8192, 4),
		"REPORT_ZONES 3 zones from sector 8192 0x80000000":        NewIODesc(OpReportZones, 1<<31, 8192, 3),
		"OP_99 0 sectors at sector 0 FAILFAST_DEV|SWAP|INTEGRITY": NewIODesc(99, FlagFailfastDev|FlagSwap|FlagIntegrity, 0, 0),
	} {
		if d.String() != want {
			t.Errorf("printed %q, want %q", d.String(), want)
		}
	}
	if n := NewIODesc(OpReportZones, 0, 0, 3).Bytes(); n != 192 {
		t.Errorf("report of 3 zones has %d bytes", n)
	}
}

func TestOpKinds(t *testing.T) {
	type kinds struct{ takes, gives, zone bool }
	want := map[Op]kinds{
		OpRead: {gives: true}, OpWrite: {takes: true}, OpFlush: {}, OpDiscard: {}, OpWriteZeroes: {}, OpZoneAppend: {takes: true},
		OpZoneOpen: {zone: true}, OpZoneClose: {zone: true}, OpZoneFinish: {zone: true}, OpZoneReset: {zone: true},
		OpZoneResetAll: {zone: true}, OpReportZones: {gives: true, zone: true},
	}
	for op, k := range want {
		if got := (kinds{op.TakesData(), op.GivesData(), op.Zone()}); got != k {
			t.Errorf("%s: %+v, want %+v", op, got, k)
		}
	}
}

func TestCopyPositions(t *testing.T) {
	for _, c := range []struct {
		queue, tag uint16
		off        uint32
		want       uint64
	}{{0, 0, 0, 0x80000000}, {0, 1, 0, 0x82000000}, {1, 0, 0, 0x20080000000}, {3, 4095, 0x1fffe00, 0x80000000 + 3<<41 + 4095<<25 + 0x1fffe00}} {
		if got := copyPos(c.queue, c.tag, c.off); got != c.want {
			t.Errorf("queue %d tag %d byte %d: %#x, want %#x", c.queue, c.tag, c.off, got, c.want)
		}
	}
}

func TestCPUSet(t *testing.T) {
	s := make(CPUSet, 32)
	for _, cpu := range []int{0, 1, 2, 3, 8, 63, 64, 255} {
		s[cpu/8] |= 1 << (cpu % 8)
	}
	if s.String() != "0-3,8,63-64,255" {
		t.Errorf("printed %q", s)
	}
	if len(make(CPUSet, 8).CPUs()) != 0 || make(CPUSet, 8).String() != "" {
		t.Error("an empty set has CPUs")
	}
}

func TestCPUSetWithout(t *testing.T) {
	set := func(cpus ...int) CPUSet {
		s := make(CPUSet, 16)
		for _, cpu := range cpus {
			s[cpu/8] |= 1 << (cpu % 8)
		}
		return s
	}
	for _, c := range []struct {
		name    string
		s, less CPUSet
		want    string
	}{
		{"one of two", set(0, 1), set(1), "0"},
		{"all", set(0, 1), set(0, 1), ""},
		{"none of them", set(0, 1), set(2, 70), "0-1"},
		{"a shorter set", set(3, 70), set(3)[:8], "70"},
		{"nothing", set(5), nil, "5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.s.Without(c.less).String(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAllowedCPUs(t *testing.T) {
	s, err := AllowedCPUs()
	if err != nil || len(s.CPUs()) != runtime.NumCPU() {
		t.Errorf("allowed CPUs %s, %v; the runtime counts %d", s, err, runtime.NumCPU())
	}
}

func TestUserData(t *testing.T) {
	for _, kind := range []uint8{kindCommand, kindStep, kindWake} {
		if k, tag, step := unpack(userData(kind, 0x1234, 0x56)); k != kind || tag != 0x1234 || step != 0x56 {
			t.Errorf("%d: unpacked %d %#x %#x", kind, k, tag, step)
		}
	}
}
