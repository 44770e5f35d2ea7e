// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Wire is a network cable between two machines, 1 and 2: a pair of sockets in a folder of the host.
// Neither must be there before the other, and one that is gone is as a cable pulled out.
type Wire struct {
	Folder string
	End    int // 1 or 2
}

func (w Wire) args() []string {
	socket := func(end int) string {
		return strings.ReplaceAll(filepath.Join(w.Folder, fmt.Sprintf("end%d", end)), ",", ",,")
	}
	return []string{
		"-netdev", fmt.Sprintf("dgram,id=wire,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s", socket(w.End), socket(3-w.End)),
		"-device", fmt.Sprintf("virtio-net-pci,netdev=wire,romfile=,mac=52:54:00:00:00:%02d", w.End),
	}
}
