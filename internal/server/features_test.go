// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"strings"
	"testing"
	"zqublkd/ublk"

	"golang.org/x/sys/unix"
)

func TestCheckFeatures(t *testing.T) {
	need := ublk.FeatureZoned | ublk.FeatureUserCopy
	for name, c := range map[string]struct {
		has  ublk.Features
		err  error
		want string // "": accepted
	}{
		"Linux 6.12":               {0x1fe, nil, ""},
		"Linux 7.3":                {0x1fffff, nil, ""},
		"no zones in the kernel":   {0x0fe, nil, "without ZONED: Linux 6.6 or newer with CONFIG_BLK_DEV_ZONED"},
		"neither zones nor copies": {0x7e, nil, "without USER_COPY"},
		"before GET_FEATURES":      {0, unix.EOPNOTSUPP, "too old"},
	} {
		err := checkFeatures(c.has, need, c.err)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.Is(err, ErrKernel) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
