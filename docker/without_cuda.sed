# Of requirements.txt what a machine without a GPU needs: torch comes as its CPU build, from an
# index of its own, and the CUDA libraries (3.5 GB) stay out.
/^(nvidia-|cuda-|triton==|torch==|torchvision==)/d
