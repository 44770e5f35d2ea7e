// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// fio runs the workload once.
func fio(p plan, w workload, c *contender) (measurement, error) {
	before := usageOf(c.pid)
	cmd := exec.Command("fio", w.args(c, p)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return measurement{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return judgeFio(out, usageOf(c.pid).minus(before))
}

// fioReport is what matters of fio's JSON.
type fioReport struct {
	Jobs []struct {
		Read, Write struct {
			IOPS float64 `json:"iops"`
			N    float64 `json:"total_ios"`
			Clat struct {
				Percentile map[string]float64 `json:"percentile"`
			} `json:"clat_ns"`
		}
	}
}

// judgeFio reads fio's report. Its own figures are of the run only; the
// server's use includes fio's start, some tens of requests.
func judgeFio(out []byte, used usage) (m measurement, err error) {
	at := strings.IndexByte(string(out), '{') // fio says things before it
	if at < 0 {
		return m, fmt.Errorf("no report from fio: %s", out)
	}
	var report fioReport
	if err := json.Unmarshal(out[at:], &report); err != nil {
		return m, fmt.Errorf("fio's report: %w", err)
	}
	n := 0.0
	for _, j := range report.Jobs {
		m.KIOPS += (j.Read.IOPS + j.Write.IOPS) / 1000
		n += j.Read.N + j.Write.N
		m.P99 = max(m.P99, j.Read.Clat.Percentile["99.000000"]/1000, j.Write.Clat.Percentile["99.000000"]/1000)
	}
	if n == 0 {
		return m, fmt.Errorf("fio did nothing: %s", out)
	}
	m.charge(used, n)
	return m, nil
}
