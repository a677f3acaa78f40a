package plugins

import (
	"context"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
)

// defaultTolerationSeconds lets pods stay for a while on a node that is not
// ready or cannot be reached, unless they say something about that themselves.
type defaultTolerationSeconds struct {
	handler
	notReady, unreachable int64
}

func newDefaultTolerationSeconds(d *deps) (admission.Plugin, error) {
	return &defaultTolerationSeconds{handler{"DefaultTolerationSeconds", writes(pods)}, d.Options.NotReadyTolerationSeconds, d.Options.UnreachableTolerationSeconds}, nil
}

// Mutate adds the two tolerations.
func (p *defaultTolerationSeconds) Mutate(_ context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	notReady, unreachable := false, false
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		if t.Effect != corev1.TaintEffectNoExecute && t.Effect != "" {
			continue
		}
		notReady = notReady || t.Key == corev1.TaintNodeNotReady || t.Key == ""
		unreachable = unreachable || t.Key == corev1.TaintNodeUnreachable || t.Key == ""
	}
	if !notReady {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, tolerationFor(corev1.TaintNodeNotReady, p.notReady))
	}
	if !unreachable {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, tolerationFor(corev1.TaintNodeUnreachable, p.unreachable))
	}
	return nil
}

func tolerationFor(key string, seconds int64) corev1.Toleration {
	return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds}
}
