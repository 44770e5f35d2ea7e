// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/internal/background"
	"zqublkd/internal/engine"
	"zqublkd/internal/importer"
	"zqublkd/internal/nvmet"
	"zqublkd/internal/replay"
	"zqublkd/internal/server"
	"zqublkd/internal/storage"
	"zqublkd/internal/trace"
	"zqublkd/qcow2"
	"zqublkd/qcow2/convert"
	"zqublkd/qcow2/edit"
	"zqublkd/qcow2/format"
	"zqublkd/ublk"
)

// Exit codes; check has its own, those of qemu-img check.
const (
	exitFailed     = 1 // an operation failed
	exitUsage      = 2 // wrong options or values
	exitImage      = 3 // the image can't be used: no qcow2, damaged, unsupported, not servable
	exitKernel     = 4 // the kernel lacks the driver or a feature of it
	exitPermission = 5 // no permission
	exitInUse      = 6 // image or device in use

	exitHandOver = background.ExitHandOver // of a daemon: its device waits for the next one
	exitUnclean  = background.ExitUnclean  // of a daemon that was told to end: its image was not closed in order

	exitInterrupted = background.ExitInterrupted // by SIGINT or SIGTERM
)

const exitHelp = `Exit codes: 0 success; 1 an operation failed; 2 wrong options or values;
3 the image can't be used (no qcow2, damaged, unsupported, not servable);
4 the kernel lacks the ublk driver or a feature of it; 5 no permission;
6 the image or device is in use; 8 (serve) the device waits for the next daemon;
9 (serve) it was told to end, and could not close its image in order;
130 interrupted, and nothing was left behind that was begun. check: 0 clean,
1 could not check, 2 errors, 3 only leaked clusters.`

// usageError is wrong input on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// codeError carries an exit code of its own.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var coded codeError
	var ended *background.ExitError
	var usage usageError
	var missing *ublk.MissingFeaturesError
	var held *server.HeldError
	var bad *ublk.BadKernelError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &ended):
		return ended.Code
	case errors.Is(err, server.ErrUnclean):
		return exitUnclean
	case errors.As(err, &usage), errors.Is(err, format.ErrOption), errors.Is(err, server.ErrConfig),
		errors.Is(err, storage.ErrSource), errors.Is(err, engine.ErrZone), errors.Is(err, edit.ErrShrink),
		errors.Is(err, qcow2.ErrNoSnapshot), errors.Is(err, nvmet.ErrSpec):
		return exitUsage
	case errors.Is(err, storage.ErrInUse), errors.As(err, &held), errors.Is(err, server.ErrServed),
		errors.Is(err, server.ErrNameTaken), errors.Is(err, unix.EEXIST), errors.Is(err, ublk.ErrServed),
		errors.Is(err, nvmet.ErrShared):
		return exitInUse
	case errors.Is(err, ublk.ErrNoDriver), errors.Is(err, ublk.ErrIOUringDisabled), errors.As(err, &missing),
		errors.As(err, &bad), errors.Is(err, server.ErrKernel), errors.Is(err, nvmet.ErrKernel):
		return exitKernel
	case errors.Is(err, fs.ErrPermission), errors.Is(err, ublk.ErrPermission), errors.Is(err, server.ErrRunDir):
		return exitPermission
	case errors.Is(err, format.ErrCorrupt), errors.Is(err, format.ErrUnsupported), errors.Is(err, qcow2.ErrNotFollowed),
		errors.Is(err, nvmet.ErrDisk), errors.Is(err, server.ErrNotServable), errors.Is(err, engine.ErrManage),
		errors.Is(err, format.ErrNotQcow2), errors.Is(err, format.ErrTruncated), errors.Is(err, qcow2.ErrDirty),
		errors.Is(err, qcow2.ErrWrapped), errors.Is(err, convert.ErrContent), errors.Is(err, importer.ErrDump),
		errors.Is(err, trace.ErrFormat), errors.Is(err, replay.ErrTrace),
		errors.Is(err, importer.ErrForeign), errors.Is(err, storage.ErrFileType):
		return exitImage
	}
	return exitFailed
}

// oneLine joins the parts of a joined error, and the lines of a suggestion.
func oneLine(s string) string {
	var parts []string
	for part := range strings.SplitSeq(s, "\n") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}
