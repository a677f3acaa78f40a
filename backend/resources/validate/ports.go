package validate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Protocols are the protocols of ports, in the order that errors list them.
var Protocols = []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP}

// Protocol wants one of Protocols.
func Protocol(value corev1.Protocol, path *field.Path) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	return OneOf(path, value, Protocols)
}

// OneOf wants value to be among supported, which errors list in the given
// order; Kubernetes lists them sorted.
func OneOf[T ~string](path *field.Path, value T, supported []T) field.ErrorList {
	for _, s := range supported {
		if s == value {
			return nil
		}
	}
	return field.ErrorList{field.NotSupported(path, value, supported)}
}

// PortNumber wants a port between 1 and 65535.
func PortNumber(value int32, path *field.Path) field.ErrorList {
	return Messages(path, value, validation.IsValidPortNum(int(value)))
}

// PortNumberOrName wants a port number or an IANA service name.
func PortNumberOrName(value intstr.IntOrString, path *field.Path) field.ErrorList {
	switch value.Type {
	case intstr.Int:
		return Messages(path, value.IntValue(), validation.IsValidPortNum(value.IntValue()))
	case intstr.String:
		return Messages(path, value.StrVal, validation.IsValidPortName(value.StrVal))
	}
	return field.ErrorList{field.InternalError(path, fmt.Errorf("unknown type: %v", value.Type))}
}
