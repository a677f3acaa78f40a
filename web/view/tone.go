package view

import "strings"

// Tones of a value: nothing is said about what is as it should be.
const (
	Quiet = ""     // plain text
	Good  = "good" // small dot
	Warn  = "warn" // pending: amber
	Bad   = "bad"  // failed: red
	Gone  = "gone" // terminating or finished: grey
	Calm  = "calm" // something happened, as it does
)

var tones = map[string]string{
	"Running": Good, "Active": Good, "Bound": Good, "Ready": Good, "Available": Good, "True": Good, "Approved,Issued": Good, "Normal": Quiet, "Established": Good,
	"Pending": Warn, "ContainerCreating": Warn, "PodInitializing": Warn, "Unknown": Warn, "NotReady": Bad, "SchedulingDisabled": Warn,
	"Released": Warn, "Warning": Warn, "Suspended": Warn, "Approved": Warn, "Resizing": Warn, "SchedulingGated": Warn,
	"Failed": Bad, "Error": Bad, "CrashLoopBackOff": Bad, "ImagePullBackOff": Bad, "ErrImagePull": Bad, "ErrImageNeverPull": Bad,
	"InvalidImageName": Bad, "CreateContainerConfigError": Bad, "CreateContainerError": Bad, "RunContainerError": Bad, "OOMKilled": Bad,
	"Evicted": Bad, "DeadlineExceeded": Bad, "Lost": Bad, "NodeLost": Bad, "StartError": Bad, "ContainerCannotRun": Bad, "Denied": Bad, "False": Quiet,
	"Terminating": Gone, "Succeeded": Gone, "Completed": Gone, "Complete": Gone,
}

// Tone tells how a value of a column is to be shown. Only columns that speak of
// a state have tones.
func Tone(column, value string) string {
	switch strings.ToLower(column) {
	case "status", "phase", "type", "condition", "reason", "state":
	case "ready", "available", "established":
		if a, b, ok := strings.Cut(value, "/"); ok {
			if a != b {
				return Warn
			}
			return Quiet
		}
		if value == "False" {
			return Warn
		}
	default:
		return Quiet
	}
	if column == "Type" && value != "Warning" {
		return Quiet
	}
	if t, ok := tones[value]; ok {
		return t
	}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimPrefix(part, "Init:")
		switch t := tones[part]; {
		case t == Bad, t == Warn:
			return t
		case strings.HasPrefix(part, "Err"), strings.HasSuffix(part, "Error"), strings.HasSuffix(part, "BackOff"), strings.HasPrefix(part, "ExitCode:"), strings.HasPrefix(part, "Signal:"):
			return Bad
		}
	}
	if strings.HasPrefix(value, "Init:") {
		return Warn
	}
	return Quiet
}

// Glyph is the sign that goes with a tone, so that colour is never alone.
func Glyph(tone string) string {
	switch tone {
	case Good:
		return "●"
	case Warn:
		return "▲"
	case Bad:
		return "✖"
	case Gone:
		return "◌"
	case Calm:
		return "◆"
	}
	return ""
}
