// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
	"unsafe"
)

// TestLayout compares with include/uapi/linux/io_uring.h.
func TestLayout(t *testing.T) {
	var s SQE
	var p params
	for name, c := range map[string][2]uintptr{
		"sqe":                    {unsafe.Sizeof(s), 64},
		"sqe.ioprio":             {unsafe.Offsetof(s.ioPrio), 2},
		"sqe.fd":                 {unsafe.Offsetof(s.FD), 4},
		"sqe.off":                {unsafe.Offsetof(s.Off), 8},
		"sqe.addr":               {unsafe.Offsetof(s.Addr), 16},
		"sqe.len":                {unsafe.Offsetof(s.Len), 24},
		"sqe.rw_flags":           {unsafe.Offsetof(s.OpFlags), 28},
		"sqe.user_data":          {unsafe.Offsetof(s.UserData), 32},
		"sqe.buf_index":          {unsafe.Offsetof(s.BufIndex), 40},
		"sqe.personality":        {unsafe.Offsetof(s.personality), 42},
		"sqe.file_index":         {unsafe.Offsetof(s.fileIndex), 44},
		"sqe.cmd":                {unsafe.Offsetof(s.Addr3), CmdOffset},
		"cqe":                    {unsafe.Sizeof(CQE{}), 16},
		"params":                 {unsafe.Sizeof(p), 120},
		"params.features":        {unsafe.Offsetof(p.features), 20},
		"params.sq_off":          {unsafe.Offsetof(p.sq), 40},
		"params.cq_off":          {unsafe.Offsetof(p.cq), 80},
		"io_sqring_offsets":      {unsafe.Sizeof(p.sq), 40},
		"io_cqring_offsets.cqes": {unsafe.Offsetof(p.cq.cqes), 20},
		"timespec":               {unsafe.Sizeof(Timespec{}), 16},
		"getevents_arg":          {unsafe.Sizeof(eventsArg{}), 24},
		"getevents_arg.ts":       {unsafe.Offsetof(eventsArg{}.ts), 16},
		"rsrc_register":          {unsafe.Sizeof(rsrcRegister{}), 32},
		"rsrc_update":            {unsafe.Sizeof(ringFDUpdate{}), 16},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, want %d", name, c[0], c[1])
		}
	}
}

// TestGoldenSQEs pins the bytes of each operation, on little-endian machines; buffer addresses are
// zero here.
func TestGoldenSQEs(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes below are those of little-endian machines")
	}
	for name, c := range map[string]struct {
		fill func(*SQE)
		want string // first 48 bytes in hex, a space every 8
	}{
		"read":     {func(s *SQE) { s.Read(3, nil, 0x1122) }, "1600000003000000 2211000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"},
		"write":    {func(s *SQE) { s.Write(3, nil, 0x1122) }, "1700000003000000 2211000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"},
		"fixed":    {func(s *SQE) { s.WriteFixed(3, nil, 1, 7) }, "0500000003000000 0100000000000000 0000000000000000 0000000000000000 0000000000000000 0700000000000000"},
		"datasync": {func(s *SQE) { s.Datasync(4) }, "0300000004000000 0000000000000000 0000000000000000 0000000001000000 0000000000000000 0000000000000000"},
		"cancel":   {func(s *SQE) { s.Cancel(0x99) }, "0e000000ffffffff 0000000000000000 9900000000000000 0000000000000000 0000000000000000 0000000000000000"},
		"message":  {func(s *SQE) { s.Message(5, 0x77, 8) }, "2800000005000000 7700000000000000 0000000000000000 0800000000000000 0000000000000000 0000000000000000"},
		"command":  {func(s *SQE) { s.Command(6, 0xc0107520) }, "2e00000006000000 207510c000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"},
	} {
		var s SQE
		c.fill(&s)
		if got := dump(&s); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func dump(s *SQE) string {
	b := (*[CmdOffset]byte)(unsafe.Pointer(s))
	out := ""
	for i := 0; i < len(b); i += 8 {
		if i > 0 {
			out += " "
		}
		out += hex.EncodeToString(b[i : i+8])
	}
	return out
}
