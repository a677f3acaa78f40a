package pages

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"pilothouse/web/messages"
	"pilothouse/web/trend"
	"pilothouse/web/view"
)

// plot is one plot of the server's metrics.
type plot struct {
	title  messages.Text
	unit   string
	series []plotSeries
}

type plotSeries struct {
	label messages.Text
	of    func(s *trend.Sample) float64
}

// overviewPlots are the plots of the overview.
var overviewPlots = []plot{
	{"Requests", "/s", []plotSeries{
		{"reads", func(s *trend.Sample) float64 { return s.Reads }}, {"writes", func(s *trend.Sample) float64 { return s.Writes }}, {"errors", func(s *trend.Sample) float64 { return s.Errors }},
	}},
	{"Time of a request", "ms", []plotSeries{
		{"mean", func(s *trend.Sample) float64 { return s.Mean * 1000 }}, {"99 %", func(s *trend.Sample) float64 { return s.P99 * 1000 }},
	}},
	{"Open watches and streams", "", []plotSeries{{"open", func(s *trend.Sample) float64 { return s.Streams }}}},
	{"Memory", "MiB", []plotSeries{{"resident", func(s *trend.Sample) float64 { return s.Memory / (1 << 20) }}}},
}

// Size of a plot's drawing for browsers without scripts.
const plotWidth, plotHeight = 240.0, 56.0

func (c *Call) plots(samples []trend.Sample) []view.Plot {
	list := make([]view.Plot, len(overviewPlots))
	for i, p := range overviewPlots {
		list[i] = p.view(c.Language, samples)
	}
	return list
}

func (p *plot) view(l *messages.Language, samples []trend.Sample) view.Plot {
	type series struct {
		Label string    `json:"label"`
		V     []float64 `json:"v"`
	}
	data := struct {
		T      []int64  `json:"t"`
		Unit   string   `json:"unit"`
		Series []series `json:"series"`
	}{Unit: p.unit}
	v := view.Plot{Title: p.title}
	most := 0.0
	data.T = []int64{}
	for i := range samples {
		data.T = append(data.T, samples[i].At.Unix())
	}
	for _, s := range p.series {
		one := series{Label: l.T(s.label)}
		for i := range samples {
			x := math.Round(s.of(&samples[i])*100) / 100
			one.V, most = append(one.V, x), max(most, x)
		}
		data.Series = append(data.Series, one)
		if len(one.V) > 0 {
			now := one.V[len(one.V)-1]
			if now >= 10 { // two digits behind the point say nothing of such
				now = math.Round(now*10) / 10
			}
			v.Legend = append(v.Legend, one.Label+" "+number(now)+p.unitText())
		}
	}
	for _, s := range data.Series {
		v.Lines = append(v.Lines, polyline(s.V, most))
	}
	v.Now = strings.Join(v.Legend, ", ")
	raw, err := json.Marshal(data)
	if err == nil {
		v.Data = string(raw)
	}
	return v
}

func (p *plot) unitText() string {
	if p.unit == "" || p.unit == "/s" {
		return p.unit
	}
	return " " + p.unit
}

func number(x float64) string {
	if x >= 100 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// polyline are the points of a line from left to right.
func polyline(values []float64, most float64) string {
	var b strings.Builder
	for i, x := range values {
		at, y := plotWidth, plotHeight-1
		if len(values) > 1 {
			at = plotWidth * float64(i) / float64(len(values)-1)
		}
		if most > 0 {
			y = plotHeight - 1 - (plotHeight-2)*x/most
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", at, y)
	}
	return strings.TrimSpace(b.String())
}
