"""Classify the errors of CUDA and NVML, as XGBoost, CuPy and pynvml raise them."""

import re

from schemas.contract.task import FailureClass

# An earlier failure can surface at an allocation, so XGBoost's message of a failed one counts only without a code.
OUT_OF_MEMORY = re.compile(
    r"cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|STATUS_ALLOC_FAILED"
    r"|Memory allocation error on worker (?!.*(?:cudaError|CUDA_ERROR_))"
)
# The colon distinguishes a code from the names of functions in XGBoost's stack trace (ThrowOnCudaErrorE9cudaErrorPKci).
XGBOOST_CUDA = re.compile(r"cudaError[A-Z]\w+:|CUDA driver error:|Memory allocation error on worker ")


def failure_of(error: Exception) -> FailureClass | None:
    """Class of an error of CUDA or NVML, as XGBoost, CuPy and pynvml raise it; None for every other error.

    Where it is not None this process must end once it has reported: a failed kernel leaves the context unusable for
    good ("the process must be terminated and relaunched", CUDA's reference of cudaError), and after a failed allocation
    only its end releases all that the process's memory pools hold.
    """
    origins = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    text = str(error)
    if "cupy" in origins and isinstance(error, MemoryError):
        return FailureClass.OOM
    if not origins & {"cupy_backends", "pynvml"} and not ("xgboost" in origins and XGBOOST_CUDA.search(text)):
        return None
    return FailureClass.OOM if OUT_OF_MEMORY.search(text) else FailureClass.TRANSIENT
