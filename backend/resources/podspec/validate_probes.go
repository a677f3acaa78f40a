package podspec

import (
	"fmt"

	"pilothouse/backend/resources/validate"

	v1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var httpSchemes = []v1.URIScheme{v1.URISchemeHTTP, v1.URISchemeHTTPS}

func (v *specValidator) validateLifecycleAndProbes(c *v1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Lifecycle != nil {
		errs = append(errs, v.validateLifecycle(c.Lifecycle, path.Child("lifecycle"))...)
	}
	if c.LivenessProbe != nil {
		errs = append(errs, v.validateRestartingProbe(c.LivenessProbe, path.Child("livenessProbe"))...)
	}
	if p := c.ReadinessProbe; p != nil {
		at := path.Child("readinessProbe")
		errs = append(errs, v.validateProbe(p, at)...)
		if p.TerminationGracePeriodSeconds != nil {
			errs = append(errs, field.Invalid(at.Child("terminationGracePeriodSeconds"), p.TerminationGracePeriodSeconds, "must not be set for readinessProbes"))
		}
	}
	if c.StartupProbe != nil {
		errs = append(errs, v.validateRestartingProbe(c.StartupProbe, path.Child("startupProbe"))...)
	}
	return errs
}

// validateRestartingProbe looks at a probe whose failure restarts the
// container, so that one success is always enough.
func (v *specValidator) validateRestartingProbe(p *v1.Probe, path *field.Path) field.ErrorList {
	errs := v.validateProbe(p, path)
	if p.SuccessThreshold != 1 {
		errs = append(errs, field.Invalid(path.Child("successThreshold"), p.SuccessThreshold, "must be 1"))
	}
	return errs
}

func (v *specValidator) validateProbe(p *v1.Probe, path *field.Path) field.ErrorList {
	errs := v.validateHandler(handler{exec: p.Exec, httpGet: p.HTTPGet, tcpSocket: p.TCPSocket, grpc: p.GRPC}, path)
	for _, n := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds},
		{"timeoutSeconds", p.TimeoutSeconds},
		{"periodSeconds", p.PeriodSeconds},
		{"successThreshold", p.SuccessThreshold},
		{"failureThreshold", p.FailureThreshold},
	} {
		if n.value < 0 {
			errs = append(errs, apivalidation.ValidateNonnegativeField(int64(n.value), path.Child(n.name))...)
		}
	}
	if s := p.TerminationGracePeriodSeconds; s != nil && *s <= 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriodSeconds"), *s, "must be greater than 0"))
	}
	return errs
}

func (v *specValidator) validateLifecycle(l *v1.Lifecycle, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if h := l.PostStart; h != nil {
		errs = append(errs, v.validateHandler(handler{exec: h.Exec, httpGet: h.HTTPGet, tcpSocket: h.TCPSocket, sleep: h.Sleep}, path.Child("postStart"))...)
	}
	if h := l.PreStop; h != nil {
		errs = append(errs, v.validateHandler(handler{exec: h.Exec, httpGet: h.HTTPGet, tcpSocket: h.TCPSocket, sleep: h.Sleep}, path.Child("preStop"))...)
	}
	return errs
}

// handler is what a probe or a lifecycle hook does.
type handler struct {
	exec      *v1.ExecAction
	httpGet   *v1.HTTPGetAction
	tcpSocket *v1.TCPSocketAction
	grpc      *v1.GRPCAction
	sleep     *v1.SleepAction
}

// validateHandler wants exactly one action; of several the first is looked at
// and the others are refused.
func (v *specValidator) validateHandler(h handler, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	n := 0
	action := func(set bool, name string, look func(path *field.Path) field.ErrorList) {
		switch {
		case !set:
		case n > 0:
			errs = append(errs, field.Forbidden(path.Child(name), "may not specify more than 1 handler type"))
		default:
			n++
			errs = append(errs, look(path.Child(name))...)
		}
	}
	action(h.exec != nil, "exec", func(p *field.Path) field.ErrorList {
		if len(h.exec.Command) > 0 {
			return nil
		}
		return field.ErrorList{field.Required(p.Child("command"), "")}
	})
	action(h.httpGet != nil, "httpGet", func(p *field.Path) field.ErrorList { return validateHTTPGet(h.httpGet, p) })
	action(h.tcpSocket != nil, "tcpSocket", func(p *field.Path) field.ErrorList {
		return validate.PortNumberOrName(h.tcpSocket.Port, p.Child("port"))
	})
	action(h.grpc != nil, "grpc", func(p *field.Path) field.ErrorList {
		return validate.PortNumberOrName(intstr.FromInt32(h.grpc.Port), p.Child("port"))
	})
	action(h.sleep != nil, "sleep", func(p *field.Path) field.ErrorList {
		grace := v.spec.TerminationGracePeriodSeconds
		if grace == nil || 0 <= h.sleep.Seconds && h.sleep.Seconds <= *grace {
			return nil
		}
		return field.ErrorList{field.Invalid(p, h.sleep.Seconds, fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", *grace))}
	})
	if n == 0 {
		errs = append(errs, field.Required(path, "must specify a handler type"))
	}
	return errs
}

func validateHTTPGet(h *v1.HTTPGetAction, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if h.Path == "" {
		errs = append(errs, field.Required(path.Child("path"), ""))
	}
	errs = append(errs, validate.PortNumberOrName(h.Port, path.Child("port"))...)
	errs = append(errs, validate.OneOf(path.Child("scheme"), h.Scheme, httpSchemes)...)
	for _, header := range h.HTTPHeaders {
		errs = append(errs, validate.Messages(path.Child("httpHeaders"), header.Name, validation.IsHTTPHeaderName(header.Name))...)
	}
	return errs
}
