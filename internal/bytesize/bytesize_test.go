// SPDX-License-Identifier: Apache-2.0

package bytesize

import "testing"

func TestParse(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "512": 512, "4k": 4096, "4K": 4096, "64KiB": 64 << 10, "256M": 256 << 20, "1G": 1 << 30,
		"2T": 2 << 40, "0x1000": 4096, "1GB": 1 << 30,
		"0.5G": 512 << 20, "1.5k": 1536, "0.5KiB": 512, "2.0": 2, "1.000976562500K": 1025, "512MiB": 512 << 20, "7.5E": 15 << 59,
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "K", "1.5", "0.3K", ".5G", "1.G", "1e3", "1/2K", "8.5E", "0x1.8G", "18446744073709551616", "-1", "12Q", "16E", "1KK", "B"} {
		if n, err := Parse(text); err == nil {
			t.Errorf("%q: %d, want an error", text, n)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 1: "1", 1000: "1000", 1024: "1K", 1536: "1536", 256 << 20: "256M", 3 << 40: "3T"} {
		if got := Format(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1", "64K", "9E", "0x10M", "", "18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := Parse(s); err == nil {
			if again, err := Parse(Format(n)); err != nil || again != n {
				t.Errorf("%q is %d, printed %q, read %d, %v", s, n, Format(n), again, err)
			}
		}
	})
}
