from ..errors import DeviceError


def load():
    raise DeviceError("device: CuPy cannot be imported")
