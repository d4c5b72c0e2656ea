"""How HelloMeme reads faces: from pixels to points, head pose and crops, over ONNX models that are handed in."""
