package badger

import (
	"strings"

	"k8s.io/klog/v2"
)

// logger gives what Badger says to klog; its infos are details to us.
type logger struct{}

func (logger) Errorf(format string, args ...any)   { klog.Errorf(line(format), args...) }
func (logger) Warningf(format string, args ...any) { klog.Warningf(line(format), args...) }
func (logger) Infof(format string, args ...any)    { klog.V(4).Infof(line(format), args...) }
func (logger) Debugf(format string, args ...any)   { klog.V(6).Infof(line(format), args...) }

func line(format string) string { return "badger: " + strings.TrimSpace(format) }
